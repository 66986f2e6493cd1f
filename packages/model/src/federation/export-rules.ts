/** Which ports of an exported Service a peer may see and reach. Pure: the view that peers read and the gateway ask the same function. */

export interface ExportedPort {
  readonly name?: string;
  readonly port: number;
}

/** What an ExportPolicy that selects the Service says. */
export interface ExportRule {
  /** Names of peers; `*` is every one. */
  readonly clusters: readonly string[];
  /** Numbers or names of ports; absent or empty: all. */
  readonly ports?: readonly (number | string)[];
}

/**
 * The ports that `peer` may use. Without rules all of them: a label is enough to export to every peer. Rules add up.
 *
 * @param rules Those that select the Service.
 * @param peer Name of the peer; `undefined`: a client whose cluster is not known, to whom only rules for `*` apply.
 */
export function allowedPorts<P extends ExportedPort>(
  ports: readonly P[],
  rules: readonly ExportRule[],
  peer: string | undefined,
): readonly P[] {
  if (rules.length === 0) return ports;
  const mine = rules.filter(
    ({ clusters }) => clusters.includes('*') || (peer !== undefined && clusters.includes(peer)),
  );
  return ports.filter((port) => mine.some((rule) => allows(rule, port)));
}

/** True when every peer sees the same: then one copy of the view serves all. */
export function isForEveryone(rules: readonly ExportRule[]): boolean {
  return rules.every(({ clusters }) => clusters.includes('*'));
}

function allows({ ports = [] }: ExportRule, port: ExportedPort): boolean {
  return ports.length === 0 || ports.some((wanted) => wanted === port.port || (wanted !== '' && wanted === port.name));
}
