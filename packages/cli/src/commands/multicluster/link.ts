/**
 * `mesh multicluster link` and `link-gen`: run against the cluster to be reached, applied in the cluster that wants to reach it.
 * Both print the same: one controller serves all Links, so there is no controller per link to print.
 */
import type { Command } from 'commander';
import { CliError } from '../../errors.ts';
import type { CliIo, Connection, GlobalFlags } from '../../io.ts';
import { linkManifests } from '../../manifests/link.ts';
import type { LinkFacts } from '../../manifests/link.ts';
import { exportNamespaces } from '../../manifests/remote-access.ts';
import { readMeshConfig } from '../../mesh-config.ts';
import { selectorOf } from '../../selector.ts';
import { MESH_VERSION } from '../../version.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';
import { gatewayFacts } from './gateway-facts.ts';
import type { GatewayFlags } from './gateway-facts.ts';
import { linkCredentials } from './link-credentials.ts';
import type { CredentialsFlags } from './link-credentials.ts';
import { checkedPeer } from './peer-name.ts';

interface Flags extends ManifestFlags, GlobalFlags, GatewayFlags, CredentialsFlags {
  readonly clusterName: string;
  readonly namespace: string;
  readonly apiServerAddress?: string;
  readonly gateway: boolean;
  readonly selector: string;
  readonly remoteDiscoverySelector: string;
  readonly federatedServiceSelector: string;
  readonly excludedAnnotations?: string;
  readonly excludedLabels?: string;
}

export function addLink(parent: Command, io: CliIo, name: 'link' | 'link-gen'): void {
  const command = parent
    .command(name)
    .description('print what another cluster applies to reach this one: credentials and a Link')
    .requiredOption('--cluster-name <name>', 'name of this cluster, as the other one will call it')
    .option('--namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .option(
      '--api-server-address <url>',
      "this cluster's API server as the other one reaches it (default: the kubeconfig's)",
    )
    .option(
      '--peer <name>',
      'name under which this cluster allowed the other one (mesh multicluster allow --peer); it then sees what is exported to it alone too',
    )
    .option(
      '--service-account-name <name>',
      'account whose token the other cluster gets (default: that of --peer, or linkerd-service-mirror-remote-access-default)',
    )
    .option(
      '--credentials-duration <duration>',
      'how long the token is good, 10m at least; the mirror of the other cluster renews it before half of that',
      '24h',
    )
    .option('--static-credentials', "a token that does not expire, as Linkerd's links have it")
    .option('--gateway-name <name>', "name of the gateway's Service", 'linkerd-gateway')
    .option('--gateway-namespace <namespace>', "namespace of the gateway's Service (default: --namespace)")
    .option(
      '--gateway-addresses <addresses>',
      "addresses of the gateway, comma-separated (default: its Service's ingress)",
    )
    .option('--gateway-port <port>', "port of the gateway (default: its Service's port mc-gateway)")
    .option(
      '--gateway-zones <zones>',
      "zones of the gateway's addresses as ADDRESS=ZONE,..., for clients to prefer their own (default: those of the nodes that have the addresses; empty: none)",
    )
    .option('--gateway', 'a link through the gateway', true)
    .option('--no-gateway', 'a link without gateway: no selector for exported services')
    .option('-l, --selector <selector>', 'services to mirror through the gateway', 'mirror.linkerd.io/exported=true')
    .option(
      '--remote-discovery-selector <selector>',
      'services to mirror pod to pod',
      'mirror.linkerd.io/exported=remote-discovery',
    )
    .option(
      '--federated-service-selector <selector>',
      'members of federated services',
      'mirror.linkerd.io/federated=member',
    )
    .option('--excluded-annotations <keys>', 'annotations not to copy, comma-separated; prefix/* for all of a prefix')
    .option('--excluded-labels <keys>', 'labels not to copy, comma-separated; prefix/* for all of a prefix');
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    checkClusterName(flags.clusterName);
    if (flags.peer !== undefined) checkedPeer(flags.peer, '--peer');
    using connection = await connectWith(self, io);
    writeManifests(io, linkManifests(await linkFacts(connection, flags, io)), flags);
  });
}

/** The name becomes the end of every mirror's name and a label value. */
function checkClusterName(name: string): void {
  if (/^[a-z0-9]([-a-z0-9]{0,48}[a-z0-9])?$/.test(name)) return;
  throw new CliError(
    { code: 'usage', flag: '--cluster-name' },
    `--cluster-name ${name}: it becomes part of Service names, so use lower-case letters, digits and dashes, at most 50`,
  );
}

async function linkFacts(connection: Connection, flags: Flags, io: CliIo): Promise<LinkFacts> {
  const { client, access } = connection;
  const config = await readMeshConfig(client, flags.linkerdNamespace);
  const credentials = await linkCredentials(connection, flags);
  if (credentials.warning !== undefined) io.stderr(`mesh: ${credentials.warning}\n`);
  const gateway = flags.gateway ? await gatewayFacts(client, flags) : undefined;
  return {
    clusterName: flags.clusterName,
    namespace: flags.namespace,
    controlPlaneNamespace: flags.linkerdNamespace,
    clusterDomain: config.clusterDomain,
    trustDomain: config.trustDomain,
    apiServer: {
      url: apiServerUrl(flags.apiServerAddress ?? access.server),
      certificateAuthorityData: credentials.certificateAuthorityData,
    },
    token: credentials.token,
    isRenewed: !credentials.isStatic,
    ...(flags.peer === undefined ? {} : { peer: flags.peer }),
    exportNamespaces: credentials.readsExports ? exportNamespaces(flags.namespace, flags.peer) : [],
    ...(gateway === undefined ? {} : { gateway }),
    selector: selectorOf(flags.selector, '--selector'),
    remoteDiscoverySelector: selectorOf(flags.remoteDiscoverySelector, '--remote-discovery-selector'),
    federatedServiceSelector: selectorOf(flags.federatedServiceSelector, '--federated-service-selector'),
    excludedAnnotations: keys(flags.excludedAnnotations),
    excludedLabels: keys(flags.excludedLabels),
    createdBy: `linkerd/cli ${MESH_VERSION}`,
  };
}

function apiServerUrl(text: string): string {
  const url = text.includes('://') ? text : `https://${text}`;
  if (URL.canParse(url) && url.startsWith('https://')) return url;
  throw new CliError(
    { code: 'usage', flag: '--api-server-address' },
    `--api-server-address ${text}: expected https://HOST:PORT`,
  );
}

function keys(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
}
