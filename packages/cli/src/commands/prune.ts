/** `mesh prune`: what the cluster has of an older version and this version does not make any more, to delete. */
import type { Command } from 'commander';
import type { CliIo, GlobalFlags } from '../io.ts';
import { findLabelled, referenceKey } from '../inventory.ts';
import type { ManifestFlags } from './shared.ts';
import { connectWith, manifestOutput, writeManifests } from './shared.ts';
import { upgradedManifests } from './upgrade.ts';

export function addPrune(parent: Command, io: CliIo): void {
  const command = parent
    .command('prune')
    .description('print the objects of the control plane that this version does not make any more, to delete them');
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<ManifestFlags & GlobalFlags>();
    const ns = flags.linkerdNamespace;
    using connection = await connectWith(self, io);
    const wanted = new Set((await upgradedManifests(connection.client, flags, io)).map(referenceKey));
    const present = await findLabelled(connection.client, `linkerd.io/control-plane-ns=${ns}`, [
      'cluster',
      'namespaced',
      'workloads',
    ]);
    const stale = present.filter(
      (object) =>
        // Pods and namespaces of users carry the label too.
        object.kind !== 'Namespace' && (object.metadata.namespace ?? ns) === ns && !wanted.has(referenceKey(object)),
    );
    writeManifests(io, stale, flags);
  });
}
