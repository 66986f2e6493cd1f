/** `mesh multicluster status`: links, peers, exports, imports and what is wrong with them, of one cluster or of several side by side. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { messageOf } from '@mesh/runtime';
import { ExitCode } from '../../exit-code.ts';
import { federationState } from '../../federation-state.ts';
import type { ClusterStatus } from '../../federation-state.ts';
import { kubeConfigOptions } from '../../io.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { json } from '../../output.ts';
import { toYaml } from '../../yaml.ts';
import { statusText } from './status-table.ts';

interface Flags extends GlobalFlags {
  readonly contexts?: string;
  readonly extensionNamespace: string;
  readonly output: 'table' | 'json' | 'yaml';
}

export function addStatus(parent: Command, io: CliIo): void {
  parent
    .command('status')
    .description(
      'show links, peers, exports and imports with what is wrong with them; of several clusters with --contexts',
    )
    .option('--contexts <names>', 'contexts of the kubeconfig, comma-separated (default: the current one)')
    .option('--extension-namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .addOption(new Option('-o, --output <format>', 'output format').choices(['table', 'json', 'yaml']).default('table'))
    .action(async (_options: unknown, self: Command) => {
      const flags = self.optsWithGlobals<Flags>();
      const contexts = (flags.contexts ?? '').split(',').filter((name) => name !== '');
      const chosen: readonly (string | undefined)[] = contexts.length === 0 ? [flags.context] : contexts;
      const states = await Promise.all(chosen.map((context) => statusOf(context, flags, io)));
      if (flags.output === 'json') io.stdout(json({ clusters: states }));
      else if (flags.output === 'yaml') io.stdout(toYaml({ clusters: states }));
      else io.stdout(states.map(statusText).join('\n'));
      // What could be read is shown; a script learns that something is missing.
      if (states.some((state) => 'error' in state)) throw new ExitCode(1);
    });
}

async function statusOf(context: string | undefined, flags: Flags, io: CliIo): Promise<ClusterStatus> {
  const given = context ?? '';
  try {
    const { context: _context, ...others } = flags;
    const chosen: GlobalFlags = context === undefined ? others : { ...others, context };
    using connection = await io.connect(kubeConfigOptions(chosen, io.env));
    const state = await federationState(connection.client, flags.extensionNamespace);
    return { context: given || connection.access.contextName, ...state };
  } catch (error) {
    return { context: given, error: messageOf(error) };
  }
}
