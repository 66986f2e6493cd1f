/**
 * Whether the networks that the mesh counts as the cluster's hold every address of the cluster. An address outside gets no discovery: its
 * traffic would silently go without mTLS.
 */
import { NODES, PODS, SERVICES } from '@mesh/kube';
import { cidrContains, parseCidr, parseIp } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import type { Check } from './check.ts';
import type { CheckState } from './state.ts';

export function clusterNetworkChecks(state: CheckState): readonly Check[] {
  const outside = async (what: string, addresses: readonly (readonly [string, string])[]): Promise<void> => {
    const networks = await clusterNetworks(state);
    const lost = addresses.filter(([, address]) => !contains(networks, address));
    if (lost.length === 0) return;
    const shown = lost.slice(0, 5).map(([name, address]) => `${name} (${address})`);
    throw new Error(
      `the cluster networks [${await networksText(state)}] do not include ${lost.length} ${what}, such as ${shown.join(', ')}; install again with --set clusterNetworks=…`,
    );
  };
  return [
    {
      description: 'cluster networks contains all node podCIDRs',
      hint: 'l5d-cluster-networks-cidr',
      run: async () => {
        const { items } = await (await state.connection()).client.list(NODES);
        const first = (cidr: string): string => cidr.split('/')[0] ?? '';
        await outside(
          'node podCIDRs',
          items.flatMap((node) =>
            (node.spec?.podCIDRs ?? []).map((cidr) => [node.metadata.name, first(cidr)] as const),
          ),
        );
      },
    },
    {
      description: 'cluster networks contains all pods',
      hint: 'l5d-cluster-networks-pods',
      run: async () => {
        const { items } = await (await state.connection()).client.list(PODS);
        await outside(
          'pods',
          items
            .filter((pod) => pod.spec.hostNetwork !== true && pod.status?.podIP !== undefined)
            .map((pod) => [`${pod.metadata.namespace}/${pod.metadata.name}`, pod.status?.podIP ?? ''] as const),
        );
      },
    },
    {
      description: 'cluster networks contains all services',
      hint: 'l5d-cluster-networks-services',
      run: async () => {
        const { items } = await (await state.connection()).client.list(SERVICES);
        await outside(
          'services',
          items.flatMap((service) => {
            const ip = service.spec?.clusterIP ?? '';
            return ip === '' || ip === 'None'
              ? []
              : [[`${service.metadata.namespace}/${service.metadata.name}`, ip] as const];
          }),
        );
      },
    },
  ];
}

async function networksText(state: CheckState): Promise<string> {
  const text = (await state.config()).values['clusterNetworks'];
  return typeof text === 'string' ? text : '';
}

async function clusterNetworks(state: CheckState): Promise<readonly Cidr[]> {
  const texts = (await networksText(state)).split(',').map((text) => text.trim());
  return texts.flatMap((text) => {
    const cidr = parseCidr(text);
    return cidr === undefined ? [] : [cidr];
  });
}

function contains(networks: readonly Cidr[], address: string): boolean {
  const ip = parseIp(address);
  return ip !== undefined && networks.some((network) => cidrContains(network, ip));
}
