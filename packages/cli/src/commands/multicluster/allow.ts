/** `mesh multicluster allow`: one more account that a linked cluster may use here, so that access can be revoked one by one. */
import type { Command } from 'commander';
import { CliError } from '../../errors.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { readMeshConfig } from '../../mesh-config.ts';
import { remoteAccessManifests } from '../../manifests/multicluster.ts';
import { CLI_VERSION } from '../../values/installed.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';

interface Flags extends ManifestFlags, GlobalFlags {
  readonly serviceAccountName: string;
  readonly namespace: string;
  readonly ignoreCluster?: boolean;
}

export function addAllow(parent: Command, io: CliIo): void {
  const command = parent
    .command('allow')
    .description('print an account, with its token and rights, that a linked cluster may use here')
    .requiredOption('--service-account-name <name>', 'name of the account')
    .option('--namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .option('--ignore-cluster', "don't look at the cluster");
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    if (!/^[a-z0-9]([-a-z0-9]{0,57}[a-z0-9])?$/.test(flags.serviceAccountName)) {
      throw new CliError(
        { code: 'usage', flag: '--service-account-name' },
        `--service-account-name ${flags.serviceAccountName}: not a valid name; use lower-case letters, digits and dashes, at most 59`,
      );
    }
    if (flags.ignoreCluster !== true) {
      using connection = await connectWith(self, io);
      await readMeshConfig(connection.client, flags.linkerdNamespace);
    }
    writeManifests(io, remoteAccessManifests(flags.serviceAccountName, flags.namespace, CLI_VERSION), flags);
  });
}
