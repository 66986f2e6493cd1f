/** Runs categories for a `check` command: prints as results come in, and fails the command when something failed. */
import type { Command } from 'commander';
import { Option } from 'commander';
import { CliError } from '../errors.ts';
import { ExitCode } from '../exit-code.ts';
import type { CliIo } from '../io.ts';
import { runChecks, passed } from './check.ts';
import type { CheckCategory } from './check.ts';
import { categoryHeading, checksJson, outcomeLines, shortText, verdict } from './report.ts';

export interface CheckFlags {
  readonly output: 'table' | 'json' | 'short' | 'basic' | 'wide';
  readonly wait: string;
}

export function checkFlags(command: Command): Command {
  return command
    .addOption(
      new Option('-o, --output <format>', 'output format')
        .choices(['table', 'json', 'short', 'basic', 'wide'])
        .default('table'),
    )
    .option('--wait <duration>', 'how long to wait for what needs time', '300s');
}

/** @throws ExitCode 1 when a check failed. */
export async function reportChecks(categories: readonly CheckCategory[], flags: CheckFlags, io: CliIo): Promise<void> {
  const live = flags.output === 'table' || flags.output === 'basic' || flags.output === 'wide';
  let first = true;
  const outcomes = await runChecks(categories, {
    waitMs: waitMs(flags.wait),
    retryMs: 1000,
    signal: io.signal,
    ...(live
      ? {
          onCategory: (name: string) => {
            io.stdout(`${first ? '' : '\n'}${categoryHeading(name)}`);
            first = false;
          },
          onOutcome: (outcome) => io.stdout(outcomeLines(outcome)),
        }
      : {}),
  });
  if (flags.output === 'json') io.stdout(checksJson(outcomes));
  else if (flags.output === 'short') io.stdout(shortText(outcomes));
  else io.stdout(`\n${verdict(outcomes)}`);
  if (!passed(outcomes)) throw new ExitCode(1);
}

/** Go's durations as far as people write them here: `300s`, `5m0s`, `500ms`. */
export function waitMs(text: string): number {
  const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000 };
  const parts = [...text.matchAll(/(\d+)(ms|s|m|h)/g)];
  if (text === '0') return 0;
  if (parts.length === 0 || parts.map(([part]) => part).join('') !== text) {
    throw new CliError({ code: 'usage', flag: '--wait' }, `--wait ${text}: expected a duration such as 30s or 5m`);
  }
  return parts.reduce((sum, [, count, unit]) => sum + Number(count) * (units[unit ?? ''] ?? 0), 0);
}
