/** In which zones the addresses of a cluster's gateway are, as people write it: on the command line, and in an annotation of the Link. Pure. */

/** Address or name as the Link has it, and its zone. */
export type GatewayZones = readonly (readonly [address: string, zone: string])[];

export interface GatewayZonesReading {
  /** What can be read counts, whatever is wrong with the rest. */
  readonly zones: GatewayZones;
  /** A sentence for each part that is wrong, with the fix. */
  readonly problems: readonly string[];
}

/** What zones are called: values of this label of nodes, as hints of EndpointSlices name them too. */
export const ZONE_LABEL = 'topology.kubernetes.io/zone';

const LABEL_VALUE = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;

/**
 * Reads `ADDRESS=ZONE,ADDRESS=ZONE`.
 *
 * @param addresses All of the gateway.
 */
export function readGatewayZones(text: string, addresses: readonly string[]): GatewayZonesReading {
  const zones = new Map<string, string>();
  const problems: string[] = [];
  for (const part of text.split(',')) {
    if (part.trim() === '') continue;
    const [address = '', zone, ...more] = part.split('=').map((word) => word.trim());
    const known = zones.get(address);
    if (zone === undefined || more.length > 0)
      problems.push(`"${part.trim()}" is not ADDRESS=ZONE; separate several by commas`);
    else if (!addresses.includes(address))
      problems.push(
        `"${address}" is not among the gateway's addresses; write it as it is there: ${addresses.join(', ')}`,
      );
    else if (!LABEL_VALUE.test(zone))
      problems.push(`"${zone}" is no zone's name; give ${address} the label ${ZONE_LABEL} of the nodes there`);
    else if (known !== undefined && known !== zone)
      problems.push(`${address} is in "${known}" and in "${zone}"; give it one zone`);
    else zones.set(address, zone);
  }
  return { zones: [...zones], problems };
}

/** The text that {@link readGatewayZones} reads. */
export function gatewayZonesText(zones: Iterable<readonly [address: string, zone: string]>): string {
  return [...zones].map(([address, zone]) => `${address}=${zone}`).join(',');
}
