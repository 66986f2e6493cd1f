/** In which zones the gateway's addresses are: as `--gateway-zones` says, else as the nodes say whose addresses they are. */
import { isKubeError, NODES } from '@mesh/kube';
import type { KubeClient, Node } from '@mesh/kube';
import { readGatewayZones, ZONE_LABEL } from '@mesh/model';
import type { GatewayZones } from '@mesh/model';
import { CliError } from '../../errors.ts';

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
  return addresses.flatMap((address) => {
    const zone = ofNodes.get(address);
    return zone === undefined ? [] : [[address, zone] as const];
  });
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
  const { zones, problems } = readGatewayZones(text, addresses);
  const [problem] = problems;
  if (problem === undefined) return zones;
  throw new CliError({ code: 'usage', flag: '--gateway-zones' }, `--gateway-zones ${text}: ${problem}`);
}
