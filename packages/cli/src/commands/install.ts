/** `mesh install`: the control plane's manifests on stdout, to pipe into `kubectl apply -f -`. */
import type { Command } from 'commander';
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, isKubeError } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { CliError } from '../errors.ts';
import { withIdentity, withWebhookCertificate } from '../credentials.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { controlPlaneManifests } from '../manifests/control-plane.ts';
import { crdManifests } from '../manifests/crds.ts';
import { defaultControlPlaneValues, highAvailability } from '../values/control-plane.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';
import type { ManifestFlags, ValuesFlags } from './shared.ts';
import { applyValuesFlags, connectWith, manifestOutput, readInput, valuesFlags, writeManifests } from './shared.ts';

interface InstallFlags extends ManifestFlags, ValuesFlags, GlobalFlags {
  readonly crds?: boolean;
  readonly ha?: boolean;
  readonly ignoreCluster?: boolean;
  readonly clusterDomain?: string;
  readonly identityTrustDomain?: string;
  readonly identityTrustAnchorsFile?: string;
  readonly identityIssuerCertificateFile?: string;
  readonly identityIssuerKeyFile?: string;
  readonly identityIssuanceLifetime?: string;
  readonly identityClockSkewAllowance?: string;
  readonly controllerLogLevel?: string;
}

export function addInstall(parent: Command, io: CliIo): void {
  const command = parent
    .command('install')
    .description(
      'print the manifests of the control plane (or, with --crds, of the resource definitions it needs first)',
    )
    .option('--crds', 'print only the custom resource definitions')
    .option('--ha', 'three replicas apart from each other, resource limits, webhook fails closed')
    .option(
      '--ignore-cluster',
      "don't look at the cluster: print even if it is unreachable or has a control plane already",
    )
    .option('--cluster-domain <domain>', "the cluster's DNS domain (default: cluster.local)")
    .option('--identity-trust-domain <domain>', 'domain of workload identities (default: the cluster domain)')
    .option('--identity-trust-anchors-file <path>', 'PEM bundle of trust anchors (default: a new anchor)')
    .option(
      '--identity-issuer-certificate-file <path>',
      'PEM of the issuer certificate (default: a new issuer under the new anchor)',
    )
    .option('--identity-issuer-key-file <path>', "PEM of the issuer's private key")
    .option('--identity-issuance-lifetime <duration>', 'how long workload certificates live (default: 24h0m0s)')
    .option('--identity-clock-skew-allowance <duration>', 'clock skew tolerated when issuing (default: 20s)')
    .option('--controller-log-level <level>', 'debug, info, warn or error (default: info)');
  manifestOutput(valuesFlags(command)).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<InstallFlags>();
    if (flags.crds === true) {
      writeManifests(io, crdManifests(), flags);
      return;
    }
    if (flags.ignoreCluster !== true) await assertInstallable(self, io, flags.linkerdNamespace);
    const values = await installValues(flags, io);
    writeManifests(io, controlPlaneManifests(values, flags.linkerdNamespace), flags);
  });
}

/** The values that the flags ask for, with certificates made or read. */
export async function installValues(flags: Omit<InstallFlags, 'output'>, io: CliIo): Promise<ControlPlaneValues> {
  const defaults = defaultControlPlaneValues();
  const base = flags.ha === true ? highAvailability(defaults) : defaults;
  const values = withFlags(await applyValuesFlags(base, flags, io), flags);
  const read = async (path: string | undefined, flag: string): Promise<string> =>
    path === undefined ? '' : readInput(io, path, flag);
  const identified = await withIdentity(
    values,
    {
      anchorsPem: await read(flags.identityTrustAnchorsFile, '--identity-trust-anchors-file'),
      certificatePem: await read(flags.identityIssuerCertificateFile, '--identity-issuer-certificate-file'),
      keyPem: await read(flags.identityIssuerKeyFile, '--identity-issuer-key-file'),
    },
    flags.linkerdNamespace,
  );
  return withWebhookCertificate(identified, flags.linkerdNamespace);
}

function withFlags(values: ControlPlaneValues, flags: Omit<InstallFlags, 'output'>): ControlPlaneValues {
  const { issuer } = values.identity;
  return {
    ...values,
    clusterDomain: flags.clusterDomain ?? values.clusterDomain,
    identityTrustDomain: flags.identityTrustDomain ?? values.identityTrustDomain,
    controllerLogLevel: flags.controllerLogLevel ?? values.controllerLogLevel,
    identity: {
      ...values.identity,
      issuer: {
        ...issuer,
        issuanceLifetime: flags.identityIssuanceLifetime ?? issuer.issuanceLifetime,
        clockSkewAllowance: flags.identityClockSkewAllowance ?? issuer.clockSkewAllowance,
      },
    },
  };
}

/** A second install would replace anchors and issuer under running workloads, so it is refused; missing CRDs are named first. */
async function assertInstallable(command: Command, io: CliIo, ns: string): Promise<void> {
  using connection = await connectWith(command, io);
  const missing = await missingCrds(connection.client);
  if (missing.length > 0) {
    throw new CliError(
      { code: 'missing_object', kind: 'CustomResourceDefinition', name: missing[0] ?? '' },
      `the custom resource definitions are not installed (missing: ${missing.join(', ')}); run: mesh install --crds | kubectl apply -f -`,
    );
  }
  const existing = await connection.client.get(CONFIG_MAPS, { namespace: ns, name: 'linkerd-config' });
  if (existing === undefined) return;
  throw new CliError(
    { code: 'already_installed', namespace: ns },
    `there is a control plane in namespace ${ns} already (ConfigMap ${ns}/linkerd-config); to print manifests nevertheless, pass --ignore-cluster together with the present trust anchors and issuer`,
  );
}

async function missingCrds(client: KubeClient): Promise<readonly string[]> {
  const missing: string[] = [];
  for (const crd of crdManifests()) {
    const name = crd.metadata.name ?? '';
    try {
      if ((await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name })) === undefined) missing.push(name);
    } catch (error) {
      // Somebody who may install need not be allowed to read definitions one by one; the API will say so on apply.
      if (!isKubeError(error, 'forbidden')) throw error;
    }
  }
  return missing;
}
