/** `mesh version`: of this program, and of the control plane. */
import type { Command } from 'commander';
import { CONFIG_MAPS } from '@mesh/kube';
import { parse } from 'yaml';
import type { CliIo, GlobalFlags } from '../io.ts';
import { MESH_VERSION } from '../version.ts';
import { connectWith } from './shared.ts';

interface VersionFlags extends GlobalFlags {
  readonly client?: boolean;
  readonly short?: boolean;
}

export function addVersion(parent: Command, io: CliIo): void {
  parent
    .command('version')
    .description('print the version of this program and of the control plane')
    .option('--client', 'only of this program; ask no cluster')
    .option('--short', 'only the numbers')
    .action(async (_options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<VersionFlags>();
      const short = flags.short === true;
      io.stdout(short ? `${MESH_VERSION}\n` : `Client version: ${MESH_VERSION}\n`);
      if (flags.client === true) return;
      const server = await serverVersion(self, io, flags.linkerdNamespace);
      io.stdout(short ? `${server}\n` : `Server version: ${server}\n`);
    });
}

/** As Linkerd: "unavailable" rather than an error, since asking for a version must not depend on a cluster. */
async function serverVersion(command: Command, io: CliIo, ns: string): Promise<string> {
  try {
    using connection = await connectWith(command, io);
    const config = await connection.client.get(CONFIG_MAPS, { namespace: ns, name: 'linkerd-config' });
    const values: unknown = parse(config?.data?.['values'] ?? '');
    const version =
      typeof values === 'object' && values !== null ? (values as Record<string, unknown>)['linkerdVersion'] : undefined;
    return typeof version === 'string' ? version : 'unavailable';
  } catch {
    return 'unavailable';
  }
}
