/** `mesh multicluster unlink`: the Link and its credentials, to delete; the controller then removes every mirror of it. */
import type { Command } from 'commander';
import { dynamicKind, LINKS, SECRETS } from '@mesh/kube';
import { CliError } from '../../errors.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { present } from '../../inventory.ts';
import { credentialsName, renewalName } from '../../manifests/link.ts';
import type { Manifest } from '../../manifests/object.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';

/** With which the mirror renewed the credentials. */
const RIGHTS = [
  dynamicKind('rbac.authorization.k8s.io/v1', 'rolebindings', 'RoleBinding', true),
  dynamicKind('rbac.authorization.k8s.io/v1', 'roles', 'Role', true),
] as const;

interface Flags extends ManifestFlags, GlobalFlags {
  readonly clusterName: string;
  readonly namespace: string;
}

export function addUnlink(parent: Command, io: CliIo): void {
  const command = parent
    .command('unlink')
    .description('print the objects to delete to undo a link')
    .requiredOption('--cluster-name <name>', 'name of the linked cluster')
    .option('--namespace <namespace>', 'namespace of the Link', 'linkerd-multicluster');
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    using connection = await connectWith(self, io);
    const ref = { namespace: flags.namespace, name: flags.clusterName };
    const link = await connection.client.get(LINKS, ref);
    if (link === undefined) {
      const known = (await connection.client.list(LINKS, { namespace: flags.namespace })).items.map(
        (item) => item.metadata.name,
      );
      throw new CliError(
        { code: 'missing_object', kind: 'Link', name: flags.clusterName },
        `no Link ${flags.namespace}/${flags.clusterName}; Links there: ${known.length === 0 ? 'none' : known.sort().join(', ')}`,
      );
    }
    const secret = link.spec.clusterCredentialsSecret ?? credentialsName(flags.clusterName);
    // The Link goes first: the controller's finalizer cleans up while it can still read the credentials.
    const manifest: Manifest = {
      apiVersion: 'multicluster.linkerd.io/v1alpha3',
      kind: 'Link',
      metadata: { name: flags.clusterName, namespace: flags.namespace },
    };
    const secrets = [flags.namespace, flags.linkerdNamespace].map(
      (namespace) => [SECRETS, { apiVersion: 'v1', kind: 'Secret', metadata: { name: secret, namespace } }] as const,
    );
    const rights = RIGHTS.map((kind) => {
      const metadata = { name: renewalName(flags.clusterName), namespace: flags.linkerdNamespace };
      return [kind, { apiVersion: 'rbac.authorization.k8s.io/v1', kind: kind.kind, metadata }] as const;
    });
    writeManifests(io, [manifest, ...(await present(connection.client, [...secrets, ...rights]))], flags);
  });
}
