/** `mesh uninstall`: what to pipe into `kubectl delete -f -` to remove the control plane. */
import type { Command } from 'commander';
import { CUSTOM_RESOURCE_DEFINITIONS, isKubeError, LINKS, NAMESPACES, PODS } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { CliError } from '../errors.ts';
import type { CliIo, GlobalFlags } from '../io.ts';
import { crdManifests } from '../manifests/crds.ts';
import type { Manifest } from '../manifests/object.ts';
import { findLabelled, present, reference } from '../inventory.ts';
import type { ManifestFlags } from './shared.ts';
import { connectWith, manifestOutput, writeManifests } from './shared.ts';

interface UninstallFlags extends ManifestFlags, GlobalFlags {
  readonly force?: boolean;
}

export function addUninstall(parent: Command, io: CliIo): void {
  const command = parent
    .command('uninstall')
    .description('print the objects to delete to remove the control plane')
    .option('--force', 'even if there are injected pods or the multi-cluster extension still');
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<UninstallFlags>();
    using connection = await connectWith(self, io);
    if (flags.force !== true) {
      await assertNoInjectedPods(connection.client, flags.linkerdNamespace);
      await assertNoLinks(connection.client);
    }
    writeManifests(io, await uninstallManifests(connection.client, flags.linkerdNamespace), flags);
  });
}

/**
 * Cluster-wide objects first, so that the webhook is gone before its server is; the namespace takes the rest with it. Only what is
 * there, so that deleting it succeeds.
 */
async function uninstallManifests(client: KubeClient, ns: string): Promise<readonly Manifest[]> {
  const labelled = await findLabelled(client, `linkerd.io/control-plane-ns=${ns}`, ['cluster']);
  return [
    ...labelled.filter((object) => object.kind !== 'Namespace'),
    ...(await present(client, [
      [NAMESPACES, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: ns } }],
      ...crdManifests().map((crd) => [CUSTOM_RESOURCE_DEFINITIONS, reference(crd)] as const),
    ])),
  ];
}

async function assertNoInjectedPods(client: KubeClient, ns: string): Promise<void> {
  const { items } = await client.list(PODS, { labelSelector: `linkerd.io/control-plane-ns=${ns}` });
  const injected = items.filter((pod) =>
    [...(pod.spec.initContainers ?? []), ...pod.spec.containers].some(
      (container) => container.name === 'linkerd-proxy',
    ),
  );
  if (injected.length === 0) return;
  const names = injected.slice(0, 5).map((pod) => `${pod.metadata.namespace ?? ''}/${pod.metadata.name}`);
  throw new CliError(
    { code: 'already_installed', namespace: ns },
    `${injected.length} injected pods are running still (${names.join(', ')}${injected.length > 5 ? ', …' : ''}); uninject them, or pass --force`,
  );
}

/** Mirrors are removed by the controller, which needs certificates from this control plane. */
async function assertNoLinks(client: KubeClient): Promise<void> {
  try {
    const links = (await client.list(LINKS)).items.map((link) => link.metadata.name).sort();
    if (links.length === 0) return;
    throw new CliError(
      { code: 'links_exist', links },
      `there are Links still: ${links.join(', ')}; remove them (mesh multicluster unlink) and the extension (mesh multicluster uninstall) first, or pass --force`,
    );
  } catch (error) {
    if (!isKubeError(error, 'not_found', 'forbidden')) throw error;
  }
}
