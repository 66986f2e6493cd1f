/** `mesh install`: the control plane's manifests on stdout, to pipe into `kubectl apply -f -`. */
import type { Command } from 'commander';
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, isKubeError } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { messageOf } from '@mesh/runtime';
import { kubernetesVersionCategory } from '../checks/kubernetes.ts';
import { CheckState } from '../checks/state.ts';
import { CliError } from '../errors.ts';
import { checkIdentity, withIdentity, withIssuer } from '../credentials.ts';
import { readAnchors, readIssuer } from '../installed-identity.ts';
import type { CliIo } from '../io.ts';
import { controlPlaneManifests, overridesManifest } from '../manifests/control-plane.ts';
import { crdManifests } from '../manifests/crds.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';
import { installDefaults } from '../values/installed.ts';
import type { ValueFlags } from './install-values.ts';
import { addValueFlags, readIdentityFiles, withFlags } from './install-values.ts';
import { connectWith, manifestOutput, writeManifests } from './shared.ts';

interface InstallFlags extends ValueFlags {
  readonly crds?: boolean;
  readonly ignoreCluster?: boolean;
  readonly skipChecks?: boolean;
}

export function addInstall(parent: Command, io: CliIo): void {
  const command = parent
    .command('install')
    .description(
      'print the manifests of the control plane (or, with --crds, of the resource definitions it needs first)',
    )
    .option('--crds', 'print only the custom resource definitions')
    .option(
      '--ignore-cluster',
      "don't look at the cluster: print even if it is unreachable or has a control plane already",
    )
    .option('--skip-checks', "don't refuse a cluster where something is missing or in the way");
  manifestOutput(addValueFlags(command)).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<InstallFlags>();
    const ns = flags.linkerdNamespace;
    if (flags.crds === true) {
      writeManifests(io, crdManifests(), flags);
      return;
    }
    if (flags.ignoreCluster !== true && flags.skipChecks !== true) await assertInstallable(self, io, ns);
    const chosen = await withFlags(installDefaults({ ha: flags.ha === true }), flags, io);
    const values = await identify(chosen, flags, self, io);
    writeManifests(io, [...controlPlaneManifests(values, ns), overridesManifest(values, ns)], flags);
  });
}

/** Anchors and issuer from files, from the cluster when somebody else keeps them there, or new ones. */
async function identify(
  values: ControlPlaneValues,
  flags: InstallFlags,
  command: Command,
  io: CliIo,
): Promise<ControlPlaneValues> {
  const files = await readIdentityFiles(flags, io);
  const isExternal = values.identity.issuer.scheme === 'kubernetes.io/tls';
  if (!isExternal && !values.identity.externalCA) return withIdentity(values, files, flags.linkerdNamespace);
  if (isExternal && (files.certificate.text !== '' || files.key.text !== '')) {
    throw new CliError(
      { code: 'usage', flag: '--identity-external-issuer' },
      '--identity-external-issuer: somebody else keeps the issuer, so leave out --identity-issuer-certificate-file and --identity-issuer-key-file',
    );
  }
  if (flags.ignoreCluster === true) {
    if (files.anchors.text !== '')
      return withIssuer(values, files.anchors.text, files.certificate.text, files.key.text);
    throw new CliError(
      { code: 'usage', flag: '--identity-trust-anchors-file' },
      'without looking at the cluster, trust anchors that somebody else keeps must be given: --identity-trust-anchors-file FILE',
    );
  }
  using connection = await connectWith(command, io);
  const ns = flags.linkerdNamespace;
  const issuer = isExternal ? await readIssuer(connection.client, ns) : undefined;
  const kept = values.identity.externalCA ? await readAnchors(connection.client, ns) : issuer?.ca;
  const anchors = files.anchors.text === '' && kept !== undefined ? kept : files.anchors;
  if (anchors.text === '') {
    throw new CliError(
      { code: 'bad_certificate', file: anchors.from },
      `${anchors.from} is empty or missing; put the trust anchors there, or give --identity-trust-anchors-file FILE`,
    );
  }
  if (issuer === undefined) return withIdentity(values, { ...files, anchors }, ns);
  checkIdentity({ ...issuer, anchors });
  return withIssuer(values, anchors.text, '', '');
}

/** A second install would replace anchors and issuer under running workloads, so it is refused; missing CRDs are named first. */
async function assertInstallable(command: Command, io: CliIo, ns: string): Promise<void> {
  using state = new CheckState(ns, () => connectWith(command, io));
  const { client } = await state.connection();
  await assertKubernetesVersion(state, io.signal);
  const missing = await missingCrds(client);
  if (missing.length > 0) {
    throw new CliError(
      { code: 'missing_object', kind: 'CustomResourceDefinition', name: missing[0] ?? '' },
      `the custom resource definitions are not installed (missing: ${missing.join(', ')}); run: mesh install --crds | kubectl apply -f -`,
    );
  }
  const existing = await client.get(CONFIG_MAPS, { namespace: ns, name: 'linkerd-config' });
  if (existing === undefined) return;
  throw new CliError(
    { code: 'already_installed', namespace: ns },
    `there is a control plane in namespace ${ns} already (ConfigMap ${ns}/linkerd-config); to change it, run: mesh upgrade | kubectl apply -f -`,
  );
}

/** Without native sidecars the pods would never start. */
async function assertKubernetesVersion(state: CheckState, signal: AbortSignal): Promise<void> {
  try {
    for (const check of kubernetesVersionCategory(state).checks) await check.run(signal);
  } catch (error) {
    throw new CliError({ code: 'cluster' }, `${messageOf(error)}; upgrade the cluster, or pass --skip-checks`, {
      cause: error,
    });
  }
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
