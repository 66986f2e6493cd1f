/**
 * Which plain ports the gateway has for clients without a proxy, and where each goes, as the mirror's EndpointSlices say. Pure.
 *
 *   client ──plain TCP──► cluster IP ──kube-proxy──► own gateway, bridge port ──mTLS──► the peer's gateway ──► Service
 */
import type { EndpointSlice } from '@mesh/kube';

export const LABEL_PATH = 'federation.mesh.dev/path';
const ANNOTATION_TARGET = 'federation.mesh.dev/bridge-target';
const ANNOTATION_PORTS = 'federation.mesh.dev/bridge-ports';
const ANNOTATION_CLUSTER = 'federation.mesh.dev/bridge-cluster';

/** Below the ports that nodes publish (30000) and that the kernel gives to clients (32768), above those that programs like. */
export const BRIDGE_PORTS = { min: 20_000, max: 29_999 } as const;

/** Where the connections of one bridge port go. */
export interface BridgeTarget {
  readonly namespace: string;
  /** The Service that stands for the import. */
  readonly service: string;
  readonly port: number;
  /** The one cluster that connections go to. */
  readonly cluster: string;
}

export interface BridgePlan {
  readonly targets: ReadonlyMap<number, BridgeTarget>;
  /** One sentence for each slice that cannot be followed in full. */
  readonly problems: readonly string[];
}

/** Of two slices that want one port for different targets the older has it. */
export function planBridges(slices: readonly EndpointSlice[]): BridgePlan {
  const targets = new Map<number, BridgeTarget>();
  const problems: string[] = [];
  for (const slice of slices.toSorted(byAge)) {
    const name = `${slice.metadata.namespace}/${slice.metadata.name}`;
    const wanted = targetsOf(slice);
    if (typeof wanted === 'string') {
      problems.push(`endpoint slice ${name}: ${wanted}`);
      continue;
    }
    for (const [port, target] of wanted) {
      const known = targets.get(port);
      if (known === undefined) targets.set(port, target);
      else if (!isSame(known, target)) problems.push(`endpoint slice ${name}: port ${port} is ${describe(known)}'s`);
    }
  }
  return { targets, problems };
}

export function isSame(one: BridgeTarget, other: BridgeTarget): boolean {
  return describe(one) === describe(other);
}

export function describe({ namespace, service, port, cluster }: BridgeTarget): string {
  return `${namespace}/${service}:${port} of ${cluster}`;
}

function targetsOf({ metadata }: EndpointSlice): ReadonlyMap<number, BridgeTarget> | string {
  const { annotations = {} } = metadata;
  const [namespace = '', service = '', ...more] = (annotations[ANNOTATION_TARGET] ?? '').split('/');
  const cluster = annotations[ANNOTATION_CLUSTER] ?? '';
  if (namespace === '' || service === '' || more.length > 0)
    return `${ANNOTATION_TARGET} is "${annotations[ANNOTATION_TARGET] ?? ''}": it should be NAMESPACE/SERVICE`;
  // The slice must not reach across namespaces: whoever may write it there could be anybody.
  if (namespace !== metadata.namespace) return `${ANNOTATION_TARGET} names another namespace, ${namespace}`;
  if (cluster === '') return `${ANNOTATION_CLUSTER} is missing`;
  const targets = new Map<number, BridgeTarget>();
  for (const pair of (annotations[ANNOTATION_PORTS] ?? '').split(',').filter((one) => one !== '')) {
    const [bridge = Number.NaN, port = Number.NaN] = pair.split(':').map(Number);
    const isGood = isBetween(bridge, BRIDGE_PORTS.min, BRIDGE_PORTS.max) && isBetween(port, 1, 65_535);
    if (!isGood) return `${ANNOTATION_PORTS} has "${pair}": it should be BRIDGE-PORT:SERVICE-PORT, such as 20001:80`;
    targets.set(bridge, { namespace, service, port, cluster });
  }
  return targets;
}

function isBetween(value: number, min: number, max: number): boolean {
  return Number.isInteger(value) && value >= min && value <= max;
}

function byAge(one: EndpointSlice, other: EndpointSlice): number {
  return keyOfAge(one) < keyOfAge(other) ? -1 : 1;
}

function keyOfAge({ metadata }: EndpointSlice): string {
  return `${metadata.creationTimestamp ?? ''} ${metadata.namespace ?? ''}/${metadata.name}`;
}
