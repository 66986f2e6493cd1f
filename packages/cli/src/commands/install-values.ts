/** The flags that `install` and `upgrade` share, and the values that they make. */
import type { Command } from 'commander';
import type { CliIo, GlobalFlags } from '../io.ts';
import type { IdentityFiles, Pem } from '../credentials.ts';
import { CONTROL_PLANE_SPEC } from '../values/control-plane.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';
import { assign } from '../values/overrides.ts';
import type { ManifestFlags, ValuesFlags } from './shared.ts';
import { applyValuesFlags, readInput, valuesFlags } from './shared.ts';

export interface ValueFlags extends ManifestFlags, ValuesFlags, GlobalFlags {
  readonly ha?: boolean;
  readonly clusterDomain?: string;
  readonly identityTrustDomain?: string;
  readonly identityTrustAnchorsFile?: string;
  readonly identityIssuerCertificateFile?: string;
  readonly identityIssuerKeyFile?: string;
  readonly identityExternalIssuer?: boolean;
  readonly identityExternalCa?: boolean;
  readonly identityIssuanceLifetime?: string;
  readonly identityClockSkewAllowance?: string;
  readonly controllerLogLevel?: string;
  readonly linkerdCniEnabled?: boolean;
}

export function addValueFlags(command: Command): Command {
  command
    .option('--ha', 'three replicas apart from each other, resource limits, webhook fails closed')
    .option('--cluster-domain <domain>', "the cluster's DNS domain (default: cluster.local)")
    .option('--identity-trust-domain <domain>', 'domain of workload identities (default: the cluster domain)')
    .option('--identity-trust-anchors-file <path>', 'PEM bundle of trust anchors')
    .option('--identity-issuer-certificate-file <path>', 'PEM of the issuer certificate')
    .option('--identity-issuer-key-file <path>', "PEM of the issuer's private key")
    .option(
      '--identity-external-issuer',
      'somebody else (cert-manager) keeps Secret linkerd-identity-issuer, of type kubernetes.io/tls',
    )
    .option('--identity-external-ca', 'somebody else (trust-manager) keeps ConfigMap linkerd-identity-trust-roots')
    .option('--identity-issuance-lifetime <duration>', 'how long workload certificates live (default: 24h0m0s)')
    .option('--identity-clock-skew-allowance <duration>', 'clock skew tolerated when issuing (default: 20s)')
    .option('--controller-log-level <level>', 'debug, info, warn or error (default: info)')
    .option('--linkerd-cni-enabled', "a CNI plugin redirects pods' traffic, so no init container with NET_ADMIN");
  return valuesFlags(command);
}

/** Flags that are a value by another name. */
const FLAG_VALUES: readonly (readonly [keyof ValueFlags, string, unknown?])[] = [
  ['clusterDomain', 'clusterDomain'],
  ['identityTrustDomain', 'identityTrustDomain'],
  ['controllerLogLevel', 'controllerLogLevel'],
  ['identityIssuanceLifetime', 'identity.issuer.issuanceLifetime'],
  ['identityClockSkewAllowance', 'identity.issuer.clockSkewAllowance'],
  ['linkerdCniEnabled', 'cniEnabled'],
  ['identityExternalCa', 'identity.externalCA'],
  ['identityExternalIssuer', 'identity.issuer.scheme', 'kubernetes.io/tls'],
];

/** `values` with what the flags say over them; values files first, as the most general. @throws CliError */
export async function withFlags(
  values: ControlPlaneValues,
  flags: Omit<ValueFlags, 'output'>,
  io: CliIo,
): Promise<ControlPlaneValues> {
  let result = await applyValuesFlags(CONTROL_PLANE_SPEC, values, flags, io);
  for (const [flag, path, fixed] of FLAG_VALUES) {
    const given = (flags as Readonly<Record<string, unknown>>)[flag];
    if (given === undefined || given === false) continue;
    result = assign(CONTROL_PLANE_SPEC, result, path, fixed ?? given);
  }
  return result;
}

/** @throws CliError naming the flag and the file that cannot be read. */
export async function readIdentityFiles(flags: Omit<ValueFlags, 'output'>, io: CliIo): Promise<IdentityFiles> {
  const read = async (path: string | undefined, flag: string): Promise<Pem> => ({
    text: path === undefined ? '' : await readInput(io, path, flag),
    from: path === undefined ? flag : `${flag} ${path}`,
  });
  return {
    anchors: await read(flags.identityTrustAnchorsFile, '--identity-trust-anchors-file'),
    certificate: await read(flags.identityIssuerCertificateFile, '--identity-issuer-certificate-file'),
    key: await read(flags.identityIssuerKeyFile, '--identity-issuer-key-file'),
  };
}
