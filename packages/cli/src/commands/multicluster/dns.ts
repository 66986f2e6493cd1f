/**
 * `mesh multicluster dns`: what makes the cluster's CoreDNS pass zone `clusterset.local` on to the extension's name server, and whether
 * it does (`--check`).
 */
import type { Command } from 'commander';
import { CONFIG_MAPS, SERVICES } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { forwardBlock, withBlock, withoutBlock } from '../../corefile.ts';
import { CliError } from '../../errors.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { CLUSTERSET_DNS_NAME, CLUSTERSET_ZONE as ZONE } from '../../manifests/clusterset-dns.ts';
import type { Manifest } from '../../manifests/object.ts';
import { readMeshConfig } from '../../mesh-config.ts';
import { askFromPod, serverState } from '../../resolver-check.ts';
import type { ResolveReport } from '../../probe/resolve.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';

const COREFILE = 'Corefile';

interface Flags extends ManifestFlags, GlobalFlags {
  readonly namespace: string;
  readonly configMap: string;
  readonly block?: boolean;
  readonly remove?: boolean;
  readonly check?: boolean;
  readonly service?: string;
}

export function addDns(parent: Command, io: CliIo): void {
  const command = parent
    .command('dns')
    .description("print CoreDNS' configuration with zone clusterset.local in it, to pipe into kubectl apply -f -")
    .option('--namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .option('--config-map <namespace/name>', "ConfigMap with CoreDNS' Corefile", 'kube-system/coredns')
    .option('--block', 'print the block of the zone alone, for a CoreDNS that is configured elsewhere')
    .option('--remove', 'print the configuration without the zone')
    .option('--check', 'look whether pods resolve names of the zone: a short-lived pod asks')
    .option('--service <namespace/name>', 'with --check: an imported Service whose name must have an address');
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    using connection = await connectWith(self, io);
    const { client } = connection;
    if (flags.check === true) return check(client, flags, io);
    if (flags.remove === true) return writeManifests(io, await configuration(client, flags, undefined), flags);
    const block = forwardBlock(ZONE, await serverAddress(client, flags.namespace));
    if (flags.block === true) return io.stdout(block);
    return writeManifests(io, await configuration(client, flags, block), flags);
  });
}

/** The address that resolvers forward to. */
async function serverAddress(client: KubeClient, namespace: string): Promise<string> {
  const name = `${namespace}/${CLUSTERSET_DNS_NAME}`;
  const service = await client.get(SERVICES, { namespace, name: CLUSTERSET_DNS_NAME });
  if (service === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'Service', name },
      `Service ${name} is missing: apply the output of mesh multicluster install, with clustersetDns.enabled=true, or name its namespace with --namespace`,
    );
  }
  const address = service.spec?.clusterIP ?? '';
  if (address !== '' && address !== 'None') return address;
  throw new CliError({ code: 'cluster' }, `Service ${name} has no cluster IP yet; try again in a moment`);
}

/** The ConfigMap with nothing else of it changed; `block` absent: without the zone. */
async function configuration(
  client: KubeClient,
  flags: Flags,
  block: string | undefined,
): Promise<readonly Manifest[]> {
  const [namespace, name] = namespaced(flags.configMap, '--config-map');
  const corefile = (await client.get(CONFIG_MAPS, { namespace, name }))?.data?.[COREFILE];
  if (corefile === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'ConfigMap', name: flags.configMap },
      `ConfigMap ${flags.configMap} with a ${COREFILE} is missing: name CoreDNS' with --config-map, or put the output of mesh multicluster dns --block where your resolver is configured`,
    );
  }
  const text = block === undefined ? withoutBlock(corefile, ZONE) : withBlock(corefile, ZONE, block);
  return [{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace }, data: { [COREFILE]: text } }];
}

async function check(client: KubeClient, flags: Flags, io: CliIo): Promise<void> {
  const config = await readMeshConfig(client, flags.linkerdNamespace);
  const questions = [{ name: `dns-version.${ZONE}`, type: 'TXT' as const }, ...serviceQuestion(flags.service)];
  using _held = io.hold();
  const reports = await askFromPod(client, { namespace: flags.namespace, questions, config }, io.signal);
  for (const { name, type, records } of reports) {
    if (records !== undefined) io.stdout(`${name} ${type} ${records.join(' ')}\n`);
  }
  const failed = reports.filter(({ records }) => records === undefined);
  if (failed.length === 0) return;
  const state = await serverState(client, flags.namespace);
  throw new CliError({ code: 'cluster' }, failed.map((report) => explain(report, state)).join('\n'));
}

function serviceQuestion(service: string | undefined): readonly { readonly name: string; readonly type: 'A' }[] {
  if (service === undefined) return [];
  const [namespace, name] = namespaced(service, '--service');
  return [{ name: `${name}.${namespace}.svc.${ZONE}`, type: 'A' }];
}

function explain({ name, type, error = 'no answer' }: ResolveReport, state: string): string {
  const what = `pods do not resolve ${name} (${error})`;
  if (type === 'A' && (error === 'ENOTFOUND' || error === 'ENODATA'))
    return `${what}: there is no ServiceImport of that name with an address, or no endpoint of it is ready`;
  const isForwarded = error === 'ESERVFAIL' || error === 'ETIMEOUT';
  return isForwarded
    ? `${what}: the name server does not answer; ${state}`
    : `${what}: the cluster's resolver does not forward the zone; apply the output of mesh multicluster dns, then wait a minute or restart CoreDNS; ${state}`;
}

function namespaced(text: string, flag: string): readonly [string, string] {
  const [, namespace, name] = /^([-a-z0-9]{1,63})\/([-a-z0-9.]{1,253})$/.exec(text) ?? [];
  if (namespace !== undefined && name !== undefined) return [namespace, name];
  throw new CliError({ code: 'usage', flag }, `${flag} ${text}: expected NAMESPACE/NAME`);
}
