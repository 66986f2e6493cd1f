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
  readonly ha?: boolean;
  readonly ignoreCluster?: boolean;
}

export function addMulticlusterInstall(parent: Command, io: CliIo): void {
  const command = parent
    .command('install')
    .description('print the manifests of the multi-cluster extension')
    .option('--namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
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
    const config = flags.ignoreCluster === true ? undefined : await installedMesh(self, io, flags.linkerdNamespace);
    const values = await applyValuesFlags(MULTICLUSTER_SPEC, valuesOf(flags, config), flags, io);
    if (values.identityTrustAnchorsPEM === '') {
      throw new CliError(
        { code: 'bad_value', field: 'identityTrustAnchorsPEM' },
        'the trust anchors are not known without looking at the cluster: pass --set-file identityTrustAnchorsPEM=ca.crt',
      );
    }
    writeManifests(io, multiclusterManifests(values, flags.namespace), flags);
  });
}

async function installedMesh(command: Command, io: CliIo, ns: string): Promise<MeshConfig> {
  using connection = await connectWith(command, io);
  return readMeshConfig(connection.client, ns);
}

function valuesOf(flags: Flags, config: MeshConfig | undefined): MulticlusterValues {
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
