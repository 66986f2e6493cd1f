/** In which zones the addresses of a peer's gateway are, as an annotation of the Link tells it: names say nothing of it, nor do addresses. Pure. */
import { ANNOTATION_GATEWAY_ZONES } from './names.ts';

/** Address or name as it is in `spec.gatewayAddress`, and its zone. */
export type GatewayZones = readonly (readonly [host: string, zone: string])[];

/** What zones are called: values of the label `topology.kubernetes.io/zone`, as hints of EndpointSlices name them too. */
const LABEL_VALUE = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * Reads `ADDRESS=ZONE,ADDRESS=ZONE`. What can be read of it counts, whatever is wrong with the rest.
 *
 * @param hosts All that `spec.gatewayAddress` holds.
 * @param problems Gets a sentence for each part that is wrong.
 */
export function parseGatewayZones(text: string, hosts: readonly string[], problems: string[]): GatewayZones {
  const zones = new Map<string, string>();
  const parts = text
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  for (const part of parts) {
    const equals = part.indexOf('=');
    const host = part.slice(0, Math.max(0, equals)).trim();
    const zone = part.slice(equals + 1).trim();
    const problem = equals < 0 ? NO_PAIR(part) : wrongWith(host, zone, hosts, zones.get(host));
    if (problem === undefined) zones.set(host, zone);
    else problems.push(`annotation ${ANNOTATION_GATEWAY_ZONES} ${problem}`);
  }
  return [...zones];
}

const NO_PAIR = (part: string): string => `holds "${part}": write ADDRESS=ZONE, with an address of spec.gatewayAddress`;

function wrongWith(
  host: string,
  zone: string,
  hosts: readonly string[],
  known: string | undefined,
): string | undefined {
  if (!hosts.includes(host))
    return `names "${host}", which is not in spec.gatewayAddress: write it as it is there, or leave it out`;
  if (!LABEL_VALUE.test(zone))
    return `says that "${host}" is in zone "${zone}", which is no zone's name: copy the label topology.kubernetes.io/zone of the nodes there`;
  if (known !== undefined && known !== zone)
    return `says that "${host}" is in "${known}" and in "${zone}": leave one; "${known}" is used`;
  return undefined;
}
