/** In which zones the gateway's addresses are: as `--gateway-zones` says, else as the nodes say whose addresses they are. */
import { isKubeError, NODES } from '@mesh/kube';
import type { KubeClient, Node } from '@mesh/kube';
import { CliError } from '../../errors.ts';

const ZONE_LABEL = 'topology.kubernetes.io/zone';
/** Zones are values of labels. */
const LABEL_VALUE = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/** Address or name as the Link has it, and its zone. */
export type GatewayZones = ReadonlyMap<string, string>;

/**
 * @param flag Absent: the nodes are asked. Empty: no zones.
 * @param addresses All of the gateway.
 * @throws CliError naming the part of the flag that is wrong, and the fix.
 */
export async function gatewayZones(
  client: KubeClient,
  flag: string | undefined,
  addresses: readonly string[],
): Promise<GatewayZones> {
  if (flag !== undefined) return checkedZones(flag, addresses);
  const ofNodes = new Map((await nodes(client)).flatMap(zonesOfNode));
  return new Map(
    addresses.flatMap((address) => {
      const zone = ofNodes.get(address);
      return zone === undefined ? [] : [[address, zone] as const];
    }),
  );
}

/** Whoever links need not be allowed to read nodes. */
async function nodes(client: KubeClient): Promise<readonly Node[]> {
  try {
    return (await client.list(NODES)).items;
  } catch (error) {
    if (isKubeError(error, 'forbidden')) return [];
    throw error;
  }
}

function zonesOfNode({ metadata, status }: Node): readonly (readonly [address: string, zone: string])[] {
  const zone = metadata.labels?.[ZONE_LABEL] ?? '';
  return zone === '' ? [] : (status?.addresses ?? []).map(({ address }) => [address, zone] as const);
}

function checkedZones(text: string, addresses: readonly string[]): GatewayZones {
  const zones = new Map<string, string>();
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const part of parts) {
    const [address = '', zone, ...more] = part.split('=').map((word) => word.trim());
    const known = zones.get(address);
    if (zone === undefined || more.length > 0)
      throw wrong(text, `"${part}" is not ADDRESS=ZONE; separate several by commas`);
    if (!addresses.includes(address)) {
      const all = addresses.join(', ');
      throw wrong(text, `"${address}" is not among the gateway's addresses; write it as it is there: ${all}`);
    }
    if (!LABEL_VALUE.test(zone))
      throw wrong(text, `"${zone}" is no zone's name; give ${address} the label ${ZONE_LABEL} of the nodes there`);
    if (known !== undefined && known !== zone)
      throw wrong(text, `${address} is in "${known}" and in "${zone}"; give it one zone`);
    zones.set(address, zone);
  }
  return zones;
}

function wrong(text: string, why: string): CliError {
  return new CliError({ code: 'usage', flag: '--gateway-zones' }, `--gateway-zones ${text}: ${why}`);
}
