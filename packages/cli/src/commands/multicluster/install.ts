/** `mesh multicluster install`: gateway, mirror controller, remote access; run against the cluster that gets them. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { CliError } from '../../errors.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { readMeshConfig } from '../../mesh-config.ts';
import type { MeshConfig } from '../../mesh-config.ts';
import { multiclusterManifests } from '../../manifests/multicluster.ts';
import { CLI_VERSION } from '../../values/installed.ts';
import {
  defaultMulticlusterValues,
  highAvailabilityMulticluster,
  MULTICLUSTER_SPEC,
} from '../../values/multicluster.ts';
import type { MulticlusterValues } from '../../values/multicluster.ts';
import { installedClusterName, newerMcsCrds } from '../../installed-extension.ts';
import { applyValuesFlags, connectWith, manifestOutput, valuesFlags, writeManifests } from '../shared.ts';
import type { ManifestFlags, ValuesFlags } from '../shared.ts';

interface Flags extends ManifestFlags, ValuesFlags, GlobalFlags {
  readonly namespace: string;
  readonly gateway: boolean;
  readonly gatewayPort: number;
  readonly gatewayProbePort: number;
  readonly gatewayProbeSeconds: number;
  readonly gatewayServiceType: string;
  readonly gatewayHealthcheckNodeport: number;
  readonly serviceMirrorCredentials: boolean;
  readonly clusterName?: string;
  readonly ha?: boolean;
  readonly ignoreCluster?: boolean;
}

export function addMulticlusterInstall(parent: Command, io: CliIo): void {
  const command = parent
    .command('install')
    .description('print the manifests of the multi-cluster extension')
    .option('--namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .option('--cluster-name <name>', 'name of this cluster among its peers; Multi-Cluster Services need it')
    .option('--gateway', 'with a gateway', true)
    .option('--no-gateway', 'without a gateway: other clusters cannot send traffic here through one')
    .option('--gateway-port <port>', 'port of the gateway', integer('--gateway-port', 1, 65_535), 4143)
    .option(
      '--gateway-probe-port <port>',
      "port of the gateway's probe",
      integer('--gateway-probe-port', 1, 65_535),
      4191,
    )
    .option(
      '--gateway-probe-seconds <seconds>',
      'how often peers probe the gateway',
      integer('--gateway-probe-seconds', 1, 3600),
      3,
    )
    .addOption(
      new Option('--gateway-service-type <type>', "type of the gateway's Service")
        .choices(['LoadBalancer', 'NodePort', 'ClusterIP'])
        .default('LoadBalancer'),
    )
    .option(
      '--gateway-healthcheck-nodeport <port>',
      'health check node port',
      integer('--gateway-healthcheck-nodeport', 0, 65_535),
      0,
    )
    .option('--service-mirror-credentials', 'with the account that linked clusters use here', true)
    .option('--no-service-mirror-credentials', 'without the account that linked clusters use here')
    .option('--ha', 'several gateways and a warm standby of the mirror controller')
    .option('--ignore-cluster', "don't look at the cluster; trust domain and anchors come from the flags");
  manifestOutput(valuesFlags(command)).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    const found = flags.ignoreCluster === true ? undefined : await lookAround(self, io, flags);
    const values = await applyValuesFlags(MULTICLUSTER_SPEC, valuesOf(flags, found), flags, io);
    if (values.identityTrustAnchorsPEM === '') {
      throw new CliError(
        { code: 'bad_value', field: 'identityTrustAnchorsPEM' },
        'the trust anchors are not known without looking at the cluster: pass --set-file identityTrustAnchorsPEM=ca.crt',
      );
    }
    writeManifests(io, multiclusterManifests(values, flags.namespace), flags);
  });
}

/** What the cluster says that the manifests depend on. */
interface Found {
  readonly config: MeshConfig;
  readonly clusterName: string;
  readonly newerMcsCrds: readonly string[];
}

async function lookAround(command: Command, io: CliIo, flags: Flags): Promise<Found> {
  using connection = await connectWith(command, io);
  const { client } = connection;
  const config = await readMeshConfig(client, flags.linkerdNamespace);
  const newer = await newerMcsCrds(client);
  if (newer.length > 0)
    io.stderr(`mesh: ${newer.join(' and ')} of this cluster are newer than ours and stay as they are\n`);
  return { config, clusterName: await installedClusterName(client, flags.namespace), newerMcsCrds: newer };
}

function valuesOf(flags: Flags, found: Found | undefined): MulticlusterValues {
  const config = found?.config;
  const defaults = { ...defaultMulticlusterValues(), cliVersion: CLI_VERSION, installNamespace: true };
  const base = flags.ha === true ? highAvailabilityMulticluster(defaults) : defaults;
  return {
    ...base,
    ...(config === undefined
      ? {}
      : {
          clusterDomain: config.clusterDomain,
          identityTrustDomain: config.trustDomain,
          controllerImage: config.controllerImage,
          controllerImageVersion: config.controllerImageVersion,
          identityTrustAnchorsPEM: config.trustAnchorsPem,
          ...asInstalled(config.values),
        }),
    linkerdNamespace: flags.linkerdNamespace,
    clusterName: checkedClusterName(flags.clusterName ?? found?.clusterName ?? ''),
    installMcsCrds: (found?.newerMcsCrds ?? []).length === 0,
    remoteMirrorServiceAccount: flags.serviceMirrorCredentials,
    gateway: {
      ...base.gateway,
      enabled: flags.gateway,
      port: flags.gatewayPort,
      serviceType: flags.gatewayServiceType,
      healthCheckNodePort: flags.gatewayHealthcheckNodeport,
      probe: { ...base.gateway.probe, port: flags.gatewayProbePort, seconds: flags.gatewayProbeSeconds },
    },
  };
}

function checkedClusterName(name: string): string {
  if (/^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$/.test(name)) return name;
  throw new CliError(
    { code: 'usage', flag: '--cluster-name' },
    `--cluster-name ${name}: it becomes part of DNS names, so use lower-case letters, digits and dashes, at most 63`,
  );
}

/** How images are pulled and where pods may run is decided once, for the control plane. */
function asInstalled(values: Readonly<Record<string, unknown>>): Partial<MulticlusterValues> {
  const names = ['imagePullPolicy', 'imagePullSecrets', 'nodeSelector', 'tolerations', 'priorityClassName'] as const;
  return Object.fromEntries(
    names.flatMap((name) => (values[name] === undefined ? [] : [[name, values[name]] as const])),
  );
}

export function integer(flag: string, min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= min && value <= max) return value;
    throw new CliError({ code: 'usage', flag }, `${flag} ${text}: expected a whole number from ${min} to ${max}`);
  };
}
