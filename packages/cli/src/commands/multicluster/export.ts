/** `mesh multicluster export` and `unexport`: shows a Service to peers, or to some of them, and takes it back. */
import type { Command } from 'commander';
import { apiVersionOf, EXPORT_POLICIES, isKubeError, PEERS, SERVICE_EXPORTS, SERVICES } from '@mesh/kube';
import type { KubeClient, KubeObject, ResourceKind, Service } from '@mesh/kube';
import { CliError } from '../../errors.ts';
import type { CliIo, Connection, GlobalFlags } from '../../io.ts';
import type { Manifest } from '../../manifests/object.ts';
import { EXPORT_MODES, MADE_BY_CLI, planExport, planUnexport, policyName } from '../../service-exports.ts';
import type { ExportMode, LabelChanges } from '../../service-exports.ts';
import { printManifests } from '../../yaml.ts';
import { connectWith } from '../shared.ts';

interface Flags extends GlobalFlags {
  readonly namespace?: string;
  readonly mode?: string;
  readonly to?: string;
  readonly ports?: string;
  readonly extensionNamespace: string;
  readonly dryRun?: boolean;
}

const FIELD_MANAGER = 'mesh-cli';
const MODES = EXPORT_MODES.join(', ');

export function addExport(parent: Command, io: CliIo): void {
  common(parent.command('export <service>'))
    .description('show a Service of this cluster to its peers; <service> is NAME or NAMESPACE/NAME')
    .option(
      '--mode <modes>',
      `how it appears there, one or several of ${MODES}: a mirror behind the gateway, a mirror pod to pod, a member of a federated Service, an import of the Multi-Cluster Services API`,
      'gateway',
    )
    .option('--to <peers>', 'only these peers see and reach it, comma-separated (default: all of them)')
    .option('--ports <ports>', 'only these ports, by name or number, comma-separated (default: all of them)')
    .action(async (text: string, _options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<Flags>();
      using connection = await connectWith(self, io);
      await exportService(connection, await findService(connection, text, flags), flags, io);
    });
}

export function addUnexport(parent: Command, io: CliIo): void {
  common(parent.command('unexport <service>'))
    .description('take back what export did; <service> is NAME or NAMESPACE/NAME')
    .option('--mode <modes>', `only as one or several of ${MODES} (default: all)`)
    .action(async (text: string, _options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<Flags>();
      using connection = await connectWith(self, io);
      await unexportService(connection, await findService(connection, text, flags), flags, io);
    });
}

function common(command: Command): Command {
  return command
    .option('-n, --namespace <namespace>', "namespace of the Service (default: the context's, or default)")
    .option('--extension-namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .option('--dry-run', 'print what would be written, and write nothing');
}

async function exportService({ client }: Connection, service: Service, flags: Flags, io: CliIo): Promise<void> {
  const { namespace = '', name } = service.metadata;
  const modes = modesIn(flags.mode ?? '');
  const peers = flags.to === undefined ? undefined : words(flags.to);
  if (peers !== undefined) await checkPeers(client, peers, flags);
  const plan = planExport(service, {
    modes,
    ...(peers === undefined ? {} : { peers }),
    ...(flags.ports === undefined ? {} : { ports: words(flags.ports) }),
  });
  if (flags.dryRun === true) {
    io.stdout(printManifests([labelled(service, plan.labels), ...plan.objects.map(manifestOf)]));
    return;
  }
  if (plan.objects.some(([kind]) => kind === EXPORT_POLICIES)) await checkPolicy(client, namespace, policyName(name));
  // The policy first: nobody may see for a moment what is only for some.
  for (const [kind, object] of plan.objects.toReversed()) await write(client, kind, object);
  await client.patch(SERVICES, { namespace, name }, labelPatch(plan.labels), { fieldManager: FIELD_MANAGER });
  const whom = peers === undefined ? 'all peers that a policy does not exclude' : peers.join(', ') || 'nobody';
  io.stdout(`service ${namespace}/${name} is exported (${modes.join(', ')}) to ${whom}\n`);
}

async function unexportService({ client }: Connection, service: Service, flags: Flags, io: CliIo): Promise<void> {
  const { namespace = '', name } = service.metadata;
  const modes = flags.mode === undefined ? [] : modesIn(flags.mode);
  const plan = planUnexport(modes);
  if (flags.dryRun === true) {
    io.stdout(printManifests([labelled(service, plan.labels)]));
    return;
  }
  await client.patch(SERVICES, { namespace, name }, labelPatch(plan.labels), { fieldManager: FIELD_MANAGER });
  if (plan.dropsServiceExport) await absent(() => client.delete(SERVICE_EXPORTS, { namespace, name }));
  if (plan.dropsPolicy) await absent(() => deletePolicy(client, { namespace, name: policyName(name) }));
  const how = modes.length === 0 ? '' : ` (${modes.join(', ')})`;
  io.stdout(`service ${namespace}/${name} is no longer exported${how}\n`);
}

/** @throws CliError when the name is taken by a policy that somebody wrote. */
async function checkPolicy(client: KubeClient, namespace: string, name: string): Promise<void> {
  const policy = await client.get(EXPORT_POLICIES, { namespace, name });
  if (policy === undefined || isMade(policy)) return;
  throw new CliError(
    { code: 'usage', flag: '--to' },
    `--to and --ports would replace ExportPolicy ${namespace}/${name}, which somebody else wrote: change that one, or delete it first`,
  );
}

function isMade({ metadata }: KubeObject): boolean {
  return Object.entries(MADE_BY_CLI).every(([label, value]) => metadata.labels?.[label] === value);
}

/** Policies that people wrote stay. */
async function deletePolicy(
  client: KubeClient,
  ref: { readonly namespace: string; readonly name: string },
): Promise<void> {
  const policy = await client.get(EXPORT_POLICIES, ref);
  if (policy !== undefined && isMade(policy)) await client.delete(EXPORT_POLICIES, ref);
}

async function findService(connection: Connection, text: string, flags: Flags): Promise<Service> {
  const [first = '', second] = text.split('/');
  if (second !== undefined && flags.namespace !== undefined && flags.namespace !== first)
    throw new CliError(
      { code: 'usage', flag: '--namespace' },
      `--namespace ${flags.namespace}: ${text} names namespace ${first} already; give one of the two`,
    );
  const namespace = second === undefined ? (flags.namespace ?? connection.access?.namespace ?? 'default') : first;
  const name = second ?? first;
  const service = await connection.client.get(SERVICES, { namespace, name });
  if (service !== undefined) return service;
  throw new CliError(
    { code: 'missing_object', kind: 'Service', name: `${namespace}/${name}` },
    `no Service ${namespace}/${name} in this cluster; name it as NAMESPACE/NAME, or pass -n`,
  );
}

function modesIn(text: string): readonly ExportMode[] {
  const modes = words(text);
  const unknown = modes.find((mode) => !(EXPORT_MODES as readonly string[]).includes(mode));
  if (modes.length > 0 && unknown === undefined) return modes as readonly ExportMode[];
  throw new CliError({ code: 'usage', flag: '--mode' }, `--mode ${text}: give one or several of ${MODES}`);
}

/** A name that no Peer has would hide the Service from whoever was meant. */
async function checkPeers(client: KubeClient, peers: readonly string[], flags: Flags): Promise<void> {
  const known = (await listOrNone(client, flags.extensionNamespace)).map(({ metadata }) => metadata.name).sort();
  const unknown = peers.filter((peer) => peer !== '*' && !known.includes(peer));
  if (unknown.length === 0) return;
  throw new CliError(
    { code: 'missing_object', kind: 'Peer', name: unknown.join(', ') },
    `--to ${unknown.join(',')}: this cluster has no such peer; its peers: ${known.join(', ') || 'none'}. Allow one with mesh multicluster allow --peer NAME`,
  );
}

async function listOrNone(client: KubeClient, namespace: string): Promise<readonly KubeObject[]> {
  try {
    return (await client.list(PEERS, { namespace })).items;
  } catch (error) {
    if (isKubeError(error, 'not_found')) return [];
    throw error;
  }
}

async function write(client: KubeClient, kind: ResourceKind, object: KubeObject): Promise<void> {
  try {
    await client.apply(kind, object, { fieldManager: FIELD_MANAGER, force: true });
  } catch (error) {
    if (!isKubeError(error, 'not_found')) throw error;
    throw new CliError(
      { code: 'missing_object', kind: 'CustomResourceDefinition', name: `${kind.plural}.${kind.group}` },
      `this cluster does not know ${kind.kind}: apply the output of mesh multicluster install`,
      { cause: error },
    );
  }
}

/** What is not there, or not even known here, need not be deleted. */
async function absent(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!isKubeError(error, 'not_found')) throw error;
  }
}

function labelPatch(labels: LabelChanges): { readonly type: 'merge'; readonly body: unknown } {
  return { type: 'merge', body: { metadata: { labels } } };
}

function labelled({ metadata: { name, namespace = '' } }: Service, labels: LabelChanges): Manifest {
  const metadata = { name, namespace, labels: labels as Readonly<Record<string, string>> };
  return { apiVersion: 'v1', kind: 'Service', metadata };
}

function manifestOf([kind, object]: readonly [ResourceKind, KubeObject]): Manifest {
  return { apiVersion: apiVersionOf(kind), kind: kind.kind, ...object } as Manifest;
}

function words(text: string): readonly string[] {
  return text
    .split(',')
    .map((word) => word.trim())
    .filter((word) => word !== '');
}
