/** The command tree of `mesh`: global flags, verbs, and the hand-over of unknown verbs to plugins. */
import { Command, CommanderError, Option } from 'commander';
import { MeshError, messageOf } from '@mesh/runtime';
import { addCheck } from './commands/check.ts';
import { addCompletion } from './commands/completion.ts';
import { addDiagnostics } from './commands/diagnostics.ts';
import { addIdentity } from './commands/identity.ts';
import { addInject } from './commands/inject.ts';
import { addInstall } from './commands/install.ts';
import { addMulticluster } from './commands/multicluster.ts';
import { addPrune } from './commands/prune.ts';
import { addUninstall } from './commands/uninstall.ts';
import { addUpgrade } from './commands/upgrade.ts';
import { addVersion } from './commands/version.ts';
import { ExitCode } from './exit-code.ts';
import type { CliIo, GlobalFlags } from './io.ts';

/**
 * Runs one command line (without the program's own name) and returns its exit code: 0, or 1 for every failure as Linkerd's CLI does.
 * Manifests and tables go to `io.stdout`, everything else to `io.stderr`.
 */
export async function runMesh(argv: readonly string[], io: CliIo): Promise<number> {
  const program = createProgram(io);
  try {
    await program.parseAsync(plainBooleans(argv), { from: 'user' });
    return 0;
  } catch (error) {
    if (error instanceof ExitCode) return error.code;
    if (error instanceof CommanderError) return error.exitCode;
    io.stderr(`mesh: ${messageOf(error)}\n`);
    if (program.opts<GlobalFlags>().verbose && error instanceof Error) {
      io.stderr(`${error instanceof MeshError ? `${JSON.stringify(error.info)}\n` : ''}${error.stack ?? ''}\n`);
    }
    return 1;
  }
}

/** The whole tree, for `runMesh`, the completion scripts and the reference page. */
export function createProgram(io: CliIo): Command {
  const program = new Command('mesh');
  program
    .description('mesh manages the service mesh and the federation of clusters.')
    .configureOutput({ writeOut: io.stdout, writeErr: io.stderr })
    .exitOverride()
    .showHelpAfterError('(mesh --help lists commands and flags)')
    .option(
      '-L, --linkerd-namespace <namespace>',
      'namespace of the control plane',
      io.env['LINKERD_NAMESPACE'] ?? 'linkerd',
    )
    .option('--kubeconfig <path>', 'path of the kubeconfig file (default: $KUBECONFIG, then ~/.kube/config)')
    .option('--context <name>', 'context of the kubeconfig to use')
    .option('--as <user>', 'user to impersonate')
    .addOption(new Option('--as-group <group>', 'group to impersonate; repeat for several').argParser(collect))
    .option('--api-addr <url>', "address of the API server, instead of the kubeconfig's")
    .option('--verbose', 'say more about failures', false);
  for (const add of [
    addCheck,
    addCompletion,
    addDiagnostics,
    addIdentity,
    addInject,
    addInstall,
    addMulticluster,
    addPrune,
    addUninstall,
    addUpgrade,
    addVersion,
  ]) {
    add(program, io);
  }
  program.command('local', 'embedded clusters for development: up, status, down, kubeconfig (plugin mesh-local)');
  for (const command of allCommands(program))
    command.exitOverride().configureOutput({ writeOut: io.stdout, writeErr: io.stderr });
  return program;
}

/** For flags that may be repeated. */
export function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), value];
}

function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap(allCommands)];
}

/** Go's spelling of boolean flags, `--gateway=false`, turned into commander's, `--no-gateway`. */
function plainBooleans(argv: readonly string[]): string[] {
  return argv.map((word) => {
    const match = /^--([a-z][a-z-]*)=(true|false)$/.exec(word);
    if (match === null) return word;
    return match[2] === 'true' ? `--${match[1]}` : `--no-${match[1]}`;
  });
}
