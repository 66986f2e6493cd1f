/** How `mesh multicluster status` looks to people: a table each for links, peers, exports and imports, then every problem in full. */
import type {
  ClusterStatus,
  ConditionState,
  ExportState,
  FederationState,
  ImportState,
  LinkState,
  PeerState,
} from '../../federation-state.ts';
import { table } from '../../output.ts';

export function statusText(status: ClusterStatus): string {
  const heading = `CLUSTER ${nameOf(status)}\n`;
  if ('error' in status) return `${heading}\n× ${status.error}\n`;
  const sections = [
    section(status.links, ['LINK', 'PEER', 'REACHABLE', 'CREDENTIALS', 'GATEWAY', 'VIEW', 'SERVICES'], linkRow),
    section(status.peers, ['PEER', 'CLUSTER', 'VERSION', 'SEES', 'SEEN'], peerRow),
    section(status.exports, ['EXPORT', 'AS', 'READY', 'TO'], exportRow),
    section(status.imports, ['IMPORT', 'KIND', 'FROM', 'ENDPOINTS'], importRow),
  ].filter((text) => text !== '');
  const body = sections.length === 0 ? 'no links, no peers, no exports, no imports\n' : sections.join('\n');
  const problems = problemsOf(status);
  return `${heading}\n${body}${problems.length === 0 ? '' : `\n${problems.map((line) => `× ${line}\n`).join('')}`}`;
}

function nameOf(status: ClusterStatus): string {
  const name = 'cluster' in status ? status.cluster : '';
  const context = status.context === '' ? 'the current context' : `context ${status.context}`;
  return name === '' ? `(${context})` : `${name} (${context})`;
}

function section<T>(items: readonly T[], header: readonly string[], row: (item: T) => readonly string[]): string {
  return items.length === 0 ? '' : table(header, items.map(row));
}

function linkRow({ name, peer = '-', conditions, mirrored, failures }: LinkState): readonly string[] {
  const services = failures.length === 0 ? String(mirrored) : `${mirrored}/${mirrored + failures.length}`;
  return [
    name,
    peer,
    stateOf(conditions, 'Reachable'),
    credentialsOf(conditions),
    stateOf(conditions, 'GatewayAlive'),
    stateOf(conditions, 'ViewCurrent'),
    services,
  ];
}

/** `yes`, or why not. */
function stateOf(conditions: readonly ConditionState[], type: string): string {
  const found = conditions.find((condition) => condition.type === type);
  if (found === undefined) return '-';
  return found.status === 'True' ? 'yes' : found.reason;
}

/** Until when they are good, which is in the message. */
function credentialsOf(conditions: readonly ConditionState[]): string {
  const found = conditions.find(({ type }) => type === 'CredentialsValid');
  if (found?.status !== 'True') return found?.reason ?? '-';
  const until = /until (\S+Z)/.exec(found.message)?.[1];
  return until === undefined ? (found.reason === 'Static' ? 'static' : 'yes') : `until ${until}`;
}

function peerRow({ name, cluster = '-', version = '-', exports, seen = 'never' }: PeerState): readonly string[] {
  return [name, cluster, version, exports === undefined ? '-' : String(exports), seen];
}

function exportRow({ service, modes, ready, to }: ExportState): readonly string[] {
  return [service, modes.join(','), ready ? 'yes' : 'no', to.includes('*') ? 'all' : to.join(',')];
}

function importRow({ service, kind, from, readyEndpoints }: ImportState): readonly string[] {
  return [service, kind, from.join(',') || '-', String(readyEndpoints)];
}

/** Everything that is False, in the words of who found it. */
function problemsOf({ links, peers, exports, imports }: FederationState): readonly string[] {
  const bad = (what: string, conditions: readonly ConditionState[]): readonly string[] =>
    conditions
      .filter(({ type, status }) => (type === 'Conflict' ? status === 'True' : status === 'False'))
      .map(({ type, message }) => `${what}: ${type}: ${message}`);
  return [
    ...links.flatMap(({ name, conditions, failures }) => [
      ...bad(
        `link ${name}`,
        conditions.filter(({ type }) => type !== 'ServicesMirrored'),
      ),
      ...failures.map(({ service, message }) => `link ${name}: ${service}: ${message}`),
    ]),
    ...peers.flatMap(({ name, conditions }) => bad(`peer ${name}`, conditions)),
    ...exports.flatMap(({ service, conditions }) => bad(`export ${service}`, conditions)),
    ...imports.flatMap(({ service, conditions }) => bad(`import ${service}`, conditions)),
  ];
}
