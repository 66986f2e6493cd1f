/** Which clusters, with which address ranges. Pure: what exists comes in as data. */
import { isIPv4 } from 'node:net';
import { stringify } from 'yaml';

export interface ClusterPlan {
  readonly name: string;
  /** Decides the ranges: 10.(20 + 2·slot).0.0/16 for pods, 10.(21 + 2·slot).0.0/16 for Services. */
  readonly slot: number;
  readonly podSubnet: string;
  readonly serviceSubnet: string;
}

const FIRST_OCTET = 20;
const LAST_OCTET = 253;
const SLOTS = (LAST_OCTET + 1 - FIRST_OCTET) / 2;
/** No slot's: for Services that have the same address in every cluster. */
export const CLUSTERSET_NETWORK = '10.255.0.0/16';
/** With a suffix, the name becomes part of node names, Service names and label values. */
const NAME = /^[a-z]([-a-z0-9]{0,28}[a-z0-9])?$/;

/**
 * A cluster that exists keeps its slot; a new one gets the lowest that is free, so that ranges never overlap, whichever clusters
 * were made when.
 * @throws Error for names that cannot be used.
 */
export function planClusters(names: readonly string[], existing: ReadonlyMap<string, number>): readonly ClusterPlan[] {
  const bad = names.filter((name) => !NAME.test(name));
  if (bad.length > 0) {
    throw new Error(
      `--clusters: ${bad.map((name) => JSON.stringify(name)).join(', ')}: use lower-case letters, digits and dashes, at most 30, beginning with a letter`,
    );
  }
  if (names.length === 0) throw new Error('--clusters: name at least one cluster');
  if (new Set(names).size !== names.length) throw new Error(`--clusters: ${names.join(',')} has a name twice`);
  const taken = new Set(existing.values());
  return names.map((name) => {
    const slot = existing.get(name) ?? lowestFree(taken);
    taken.add(slot);
    return { name, slot, podSubnet: subnet(slot, 0), serviceSubnet: subnet(slot, 1) };
  });
}

/** The slot of a cluster by the pod range of one of its nodes; `undefined` for a range that is none of ours. */
export function slotOf(podCidr: string): number | undefined {
  const octet = Number(/^10\.(\d+)\.\d+\.0\/\d+$/.exec(podCidr)?.[1]);
  const slot = (octet - FIRST_OCTET) / 2;
  return Number.isInteger(slot) && slot >= 0 && slot < SLOTS ? slot : undefined;
}

/** kind's configuration for a cluster of `nodes` nodes, one of them the control plane. */
export function kindConfig(plan: ClusterPlan, nodes: number): string {
  return stringify({
    kind: 'Cluster',
    apiVersion: 'kind.x-k8s.io/v1alpha4',
    networking: { podSubnet: plan.podSubnet, serviceSubnet: plan.serviceSubnet },
    nodes: Array.from({ length: nodes }, (_, index) => ({ role: index === 0 ? 'control-plane' : 'worker' })),
  });
}

/**
 * The control plane 172.18.0.N gives 172.18.255-N.1 to .254: no other cluster's, and far from where Docker begins.
 * @throws Error when Docker's network is smaller than /16 or all are used.
 */
export function freeAddress(nodeIp: string, used: ReadonlySet<string>): string {
  const octets = nodeIp.split('.').map(Number);
  const [a, b, c, d] = octets;
  if (!isIPv4(nodeIp) || c !== 0) throw new Error(`node address ${nodeIp}: addresses are assigned beside a.b.0.N only`);
  for (let last = 1; last <= 254; last += 1) {
    const candidate = `${a}.${b}.${255 - (d ?? 0)}.${last}`;
    if (!used.has(candidate)) return candidate;
  }
  throw new Error(`no address beside ${nodeIp} is free`);
}

function subnet(slot: number, offset: 0 | 1): string {
  return `10.${FIRST_OCTET + 2 * slot + offset}.0.0/16`;
}

function lowestFree(taken: ReadonlySet<number>): number {
  for (let slot = 0; slot < SLOTS; slot += 1) if (!taken.has(slot)) return slot;
  throw new Error(`no address range is left: there are ${SLOTS} clusters already`);
}

/** A node, the address under which its cluster knows it (where it says), and the one that it has. */
export interface NodePlace {
  readonly node: string;
  readonly known: string | undefined;
  readonly actual: string;
}

export function changedPlaces(places: readonly NodePlace[]): readonly NodePlace[] {
  return places.filter(({ known, actual }) => known !== undefined && known !== actual);
}

/** Docker gives a container that starts the lowest free address: the order of starting that gives every node its own. */
export function addressOrder(places: readonly NodePlace[]): readonly string[] {
  const rank = ({ known, actual }: NodePlace): number =>
    (known ?? actual).split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
  return places.toSorted((a, b) => rank(a) - rank(b)).map(({ node }) => node);
}
