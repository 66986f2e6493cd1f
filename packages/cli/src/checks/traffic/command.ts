/** What the two commands with `--traffic` share: its flags, and a probe that goes when the command ends, however it ends. */
import type { Command } from 'commander';
import { messageOf } from '@mesh/runtime';
import type { CliIo } from '../../io.ts';
import type { ProbeRun } from './probe-run.ts';

export function trafficFlags(command: Command): Command {
  return command
    .option('--traffic', 'prove that traffic passes: a short-lived meshed pod sends requests')
    .option(
      '--traffic-namespace <namespace>',
      'namespace for the pods of --traffic (default: one is made and removed)',
    );
}

/** Ctrl-C waits for the clean-up. A clean-up that fails is told, with what to do; it must not hide what `run` threw. */
export async function withProbe(probe: ProbeRun, io: CliIo, run: (probe: ProbeRun) => Promise<void>): Promise<void> {
  using _held = io.hold();
  try {
    await run(probe);
  } finally {
    try {
      await probe[Symbol.asyncDispose]();
    } catch (error) {
      io.stderr(
        `mesh: the traffic probe could not be removed: ${messageOf(error)}; it is in namespace ${probe.namespace}, labelled federation.mesh.dev/check=traffic, and the next run removes it\n`,
      );
    }
  }
}
