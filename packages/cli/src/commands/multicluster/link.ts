/**
 * `mesh multicluster link` and `link-gen`: run against the cluster to be reached, applied in the cluster that wants to reach it.
 * Both print the same: one controller serves all Links, so there is no controller per link to print.
 */
import type { Command } from 'commander';
import { SECRETS, SERVICES } from '@mesh/kube';
import type { KubeClient, Service } from '@mesh/kube';
import { CliError } from '../../errors.ts';
import type { CliIo, Connection, GlobalFlags } from '../../io.ts';
import { linkManifests } from '../../manifests/link.ts';
import type { GatewayFacts, LinkFacts } from '../../manifests/link.ts';
import { readMeshConfig } from '../../mesh-config.ts';
import { selectorOf } from '../../selector.ts';
import { MESH_VERSION } from '../../version.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';

interface Flags extends ManifestFlags, GlobalFlags {
  readonly clusterName: string;
  readonly namespace: string;
  readonly apiServerAddress?: string;
  readonly serviceAccountName: string;
  readonly gatewayName: string;
  readonly gatewayNamespace?: string;
  readonly gatewayAddresses?: string;
  readonly gatewayPort?: string;
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
      '--service-account-name <name>',
      'account whose token the other cluster gets',
      'linkerd-service-mirror-remote-access-default',
    )
    .option('--gateway-name <name>', "name of the gateway's Service", 'linkerd-gateway')
    .option('--gateway-namespace <namespace>', "namespace of the gateway's Service (default: --namespace)")
    .option(
      '--gateway-addresses <addresses>',
      "addresses of the gateway, comma-separated (default: its Service's ingress)",
    )
    .option('--gateway-port <port>', "port of the gateway (default: its Service's port mc-gateway)")
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
    using connection = await connectWith(self, io);
    writeManifests(io, linkManifests(await linkFacts(connection, flags)), flags);
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

async function linkFacts(connection: Connection, flags: Flags): Promise<LinkFacts> {
  const { client, access } = connection;
  const config = await readMeshConfig(client, flags.linkerdNamespace);
  const token = await readToken(client, flags);
  const gateway = flags.gateway ? await gatewayFacts(client, flags) : undefined;
  return {
    clusterName: flags.clusterName,
    namespace: flags.namespace,
    controlPlaneNamespace: flags.linkerdNamespace,
    clusterDomain: config.clusterDomain,
    trustDomain: config.trustDomain,
    apiServer: {
      url: apiServerUrl(flags.apiServerAddress ?? access.server),
      certificateAuthorityData: token.certificateAuthorityData,
    },
    token: token.text,
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

interface Token {
  readonly text: string;
  readonly certificateAuthorityData: string;
}

async function readToken(client: KubeClient, flags: Flags): Promise<Token> {
  const name = `${flags.serviceAccountName}-token`;
  const secret = await client.get(SECRETS, { namespace: flags.namespace, name });
  if (secret === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'Secret', name: `${flags.namespace}/${name}` },
      `no account ${flags.serviceAccountName} for linked clusters here: Secret ${flags.namespace}/${name} is missing; make it with mesh multicluster install, or mesh multicluster allow --service-account-name ${flags.serviceAccountName}`,
    );
  }
  const token = secret.data?.['token'];
  const ca = secret.data?.['ca.crt'];
  if (token === undefined || ca === undefined) {
    throw new CliError(
      { code: 'cluster' },
      `Secret ${flags.namespace}/${name} has no token yet: the cluster's token controller fills it in; try again in a moment`,
    );
  }
  return { text: Buffer.from(token, 'base64').toString('utf8'), certificateAuthorityData: ca };
}

async function gatewayFacts(client: KubeClient, flags: Flags): Promise<GatewayFacts> {
  const namespace = flags.gatewayNamespace ?? flags.namespace;
  const where = `${namespace}/${flags.gatewayName}`;
  const service = await client.get(SERVICES, { namespace, name: flags.gatewayName });
  if (service === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'Service', name: where },
      `no gateway here: Service ${where} is missing; install one with mesh multicluster install, name it with --gateway-name, or pass --no-gateway`,
    );
  }
  const annotation = (name: string): string => {
    const value = service.metadata.annotations?.[`mirror.linkerd.io/${name}`];
    if (value !== undefined && value !== '') return value;
    throw new CliError(
      { code: 'cluster' },
      `Service ${where} lacks annotation mirror.linkerd.io/${name}, so it is not a gateway that we can link to; reinstall the extension with mesh multicluster install`,
    );
  };
  return {
    addresses: flags.gatewayAddresses ?? gatewayAddresses(service, where),
    port: flags.gatewayPort ?? portOf(service, 'mc-gateway', where),
    identity: annotation('gateway-identity'),
    probe: {
      path: annotation('probe-path'),
      port: portOf(service, 'mc-probe', where),
      period: period(annotation('probe-period')),
    },
  };
}

/** @throws CliError `no_gateway_address`: a Link without it could not carry anything. */
function gatewayAddresses(service: Service, where: string): string {
  const addresses = (service.status?.loadBalancer?.ingress ?? []).flatMap(
    (ingress) => ingress.ip ?? ingress.hostname ?? [],
  );
  if (addresses.length > 0) return addresses.join(',');
  const type = service.spec?.type ?? 'ClusterIP';
  throw new CliError(
    { code: 'no_gateway_address', service: where },
    `the gateway has no address: Service ${where} (${type}) has no load balancer ingress${type === 'LoadBalancer' ? ' yet; wait until its EXTERNAL-IP is set, or' : ';'} name the address with --gateway-addresses, or pass --no-gateway`,
  );
}

function portOf(service: Service, name: string, where: string): string {
  const port = service.spec?.ports?.find((item) => item.name === name);
  if (port === undefined) {
    throw new CliError(
      { code: 'cluster' },
      `Service ${where} has no port named ${name}; reinstall the extension with mesh multicluster install`,
    );
  }
  const number = service.spec?.type === 'NodePort' ? port.nodePort : port.port;
  return String(number ?? port.port);
}

/** Bare integers are seconds there. */
function period(text: string): string {
  return /^\d+$/.test(text) ? `${text}s` : text;
}

function keys(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((key) => key.trim())
    .filter((key) => key !== '');
}
