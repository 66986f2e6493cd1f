/** `mesh upgrade`: the manifests of this version with the values, anchors and issuer of the control plane that is there. */
import type { Command } from 'commander';
import { CONFIG_MAPS, SECRETS } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { parse } from 'yaml';
import { parseCertificates } from '@mesh/pki';
import { checkIdentity, withIssuer } from '../credentials.ts';
import type { IdentityFiles, Pem } from '../credentials.ts';
import { CliError } from '../errors.ts';
import { readAnchors, readIssuer } from '../installed-identity.ts';
import type { CliIo } from '../io.ts';
import { controlPlaneManifests, OVERRIDES, overridesManifest } from '../manifests/control-plane.ts';
import { crdManifests } from '../manifests/crds.ts';
import type { Manifest } from '../manifests/object.ts';
import { CONTROL_PLANE_SPEC } from '../values/control-plane.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';
import { installDefaults } from '../values/installed.ts';
import { assign, leafValues } from '../values/overrides.ts';
import { isMap } from '../values/spec.ts';
import type { ValueFlags } from './install-values.ts';
import { addValueFlags, readIdentityFiles, withFlags } from './install-values.ts';
import { connectWith, manifestOutput, writeManifests } from './shared.ts';

interface UpgradeFlags extends ValueFlags {
  readonly crds?: boolean;
  readonly force?: boolean;
}

export function addUpgrade(parent: Command, io: CliIo): void {
  const command = parent
    .command('upgrade')
    .description('print the manifests of this version for the control plane that is there, with what it was set to')
    .option('--crds', 'print only the custom resource definitions')
    .option('--force', 'even if running pods do not trust the new issuer until they are restarted');
  manifestOutput(addValueFlags(command)).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<UpgradeFlags>();
    if (flags.crds === true) {
      writeManifests(io, crdManifests(), flags);
      return;
    }
    using connection = await connectWith(self, io);
    writeManifests(io, await upgradedManifests(connection.client, flags, io), flags);
  });
}

/** @throws CliError when there is no control plane, or Helm installed it. */
export async function upgradedManifests(
  client: KubeClient,
  flags: Omit<UpgradeFlags, 'output'>,
  io: CliIo,
): Promise<readonly Manifest[]> {
  const ns = flags.linkerdNamespace;
  const chosen = await withFlags(await storedValues(client, flags, io), flags, io);
  const values = await withPresentIdentity(chosen, client, flags, io);
  return [...controlPlaneManifests(values, ns), overridesManifest(values, ns)];
}

/** The defaults of this version with what was chosen at installation over them. */
async function storedValues(
  client: KubeClient,
  flags: Omit<UpgradeFlags, 'output'>,
  io: CliIo,
): Promise<ControlPlaneValues> {
  const ns = flags.linkerdNamespace;
  const secret = await client.get(SECRETS, { namespace: ns, name: OVERRIDES });
  if (secret === undefined) {
    const config = await client.get(CONFIG_MAPS, { namespace: ns, name: 'linkerd-config' });
    throw new CliError(
      { code: 'missing_object', kind: 'Secret', name: `${ns}/${OVERRIDES}` },
      config === undefined
        ? `no control plane in namespace ${ns} of ${client.server}: ConfigMap linkerd-config is missing; install one with mesh install, or name its namespace with -L`
        : `the control plane in namespace ${ns} was not installed by this command (Secret ${OVERRIDES} is missing); if Helm installed it, run: helm upgrade`,
    );
  }
  const stored: unknown = parse(Buffer.from(secret.data?.[OVERRIDES] ?? '', 'base64').toString('utf8'));
  const { ha, values } = isMap(stored) ? stored : {};
  let result = installDefaults({ ha: flags.ha === true || ha === true });
  for (const [path, value] of leafValues(CONTROL_PLANE_SPEC, isMap(values) ? values : {})) {
    try {
      result = assign(CONTROL_PLANE_SPEC, result, path, value);
    } catch (error) {
      if (!(error instanceof CliError)) throw error;
      io.stderr(`mesh: what was set at installation is left out: ${error.message}\n`);
    }
  }
  return result;
}

/** What the cluster has, unless the flags bring something new; then it must fit what running pods trust. */
async function withPresentIdentity(
  values: ControlPlaneValues,
  client: KubeClient,
  flags: Omit<UpgradeFlags, 'output'>,
  io: CliIo,
): Promise<ControlPlaneValues> {
  const ns = flags.linkerdNamespace;
  const files = await readIdentityFiles(flags, io);
  const present = await readAnchors(client, ns);
  const issuer = await readIssuer(client, ns);
  const next: IdentityFiles = {
    anchors: given(files.anchors) ?? present,
    certificate: given(files.certificate) ?? issuer.certificate,
    key: given(files.key) ?? issuer.key,
  };
  checkIdentity(next);
  if (flags.force !== true) assertTrusted(next, present);
  const isExternal = values.identity.issuer.scheme === 'kubernetes.io/tls';
  return isExternal
    ? withIssuer(values, next.anchors.text, '', '')
    : withIssuer(values, next.anchors.text, next.certificate.text, next.key.text);
}

function given(pem: Pem): Pem | undefined {
  return pem.text === '' ? undefined : pem;
}

/** Sidecars read their anchors when they start, so a new issuer must be below one that they know already. */
function assertTrusted(next: IdentityFiles, present: Pem): void {
  if (present.text === '' || parseCertificates(present.text).length === 0) return;
  try {
    checkIdentity({ ...next, anchors: present });
  } catch (error) {
    throw new CliError(
      { code: 'bad_certificate', file: next.certificate.from },
      `running pods trust only ${present.from}, and the new issuer is not below that: upgrade first with a bundle of old and new anchors, restart the pods, then upgrade with the new issuer; or pass --force to break their connections until they are restarted`,
      { cause: error },
    );
  }
}
