/** `mesh multicluster uninstall`: what to delete to remove the extension; refused while there are Links. */
import type { Command } from 'commander';
import { CUSTOM_RESOURCE_DEFINITIONS, isKubeError, LINKS } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { CliError } from '../../errors.ts';
import { findLabelled, present, reference } from '../../inventory.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { federationCrdManifests, linkCrdManifest } from '../../manifests/crds.ts';
import type { Manifest } from '../../manifests/object.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';

export function addMulticlusterUninstall(parent: Command, io: CliIo): void {
  const command = parent
    .command('uninstall')
    .description('print the objects to delete to remove the multi-cluster extension');
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    using connection = await connectWith(self, io);
    await assertNoLinks(connection.client);
    writeManifests(io, await extensionObjects(connection.client), self.optsWithGlobals<ManifestFlags & GlobalFlags>());
  });
}

/** With the controller gone nobody would remove mirrors, so Links have to go first. */
async function assertNoLinks(client: KubeClient): Promise<void> {
  const links = await listLinks(client);
  if (links.length === 0) return;
  throw new CliError(
    { code: 'links_exist', links },
    `there are Links still: ${links.join(', ')}; remove each with: mesh multicluster unlink --cluster-name NAME | kubectl delete -f -`,
  );
}

async function listLinks(client: KubeClient): Promise<readonly string[]> {
  try {
    return (await client.list(LINKS)).items.map((link) => link.metadata.name).sort();
  } catch (error) {
    if (isKubeError(error, 'not_found')) return [];
    throw error;
  }
}

async function extensionObjects(client: KubeClient): Promise<readonly Manifest[]> {
  return [
    ...(await findLabelled(client, 'linkerd.io/extension=multicluster', ['namespaced', 'cluster'])),
    ...(await findLabelled(client, 'federation.mesh.dev/peer', ['cluster'])),
    // The Multi-Cluster Services API stays: others may use it, and its objects are the users'.
    ...(await present(
      client,
      [linkCrdManifest(), ...federationCrdManifests()].map((crd) => [CUSTOM_RESOURCE_DEFINITIONS, reference(crd)]),
    )),
  ];
}
