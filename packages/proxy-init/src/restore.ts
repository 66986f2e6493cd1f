/**
 * Chains as one transaction of `iptables-restore --noflush`: all of it applies or nothing, also on a second run, so that no connection
 * passes unredirected in between. Chains of others stay as they are. Pure.
 */
import type { Chain, Rule } from './rules.ts';

/** Seconds to wait for another program that holds the lock of the tables. */
export const LOCK_WAIT_SECS = 30;
export const RESTORE_ARGS: readonly string[] = ['--noflush', `--wait=${LOCK_WAIT_SECS}`];
export const SAVE_ARGS: readonly string[] = ['-t', 'nat'];

/**
 * The transaction that brings the table to `chains`, whatever an earlier run left.
 *
 * @param saved What the save program printed; empty for a fresh namespace.
 */
export function restoreInput(chains: readonly Chain[], saved: string): string {
  const lines = saved.split('\n').map((line) => line.trim());
  return [
    '*nat',
    // Naming a chain makes it, or empties it.
    ...chains.map(({ name }) => `:${name} - [0:0]`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${formatRule(rule)}`)),
    ...chains.flatMap((chain) => jumpLines(chain, lines)),
    'COMMIT',
    '',
  ].join('\n');
}

/** Exactly one way into the chain: one that is there already keeps its place. */
function jumpLines({ hook, name, jump }: Chain, saved: readonly string[]): string[] {
  const wanted = `-A ${hook} ${formatRule(jump)}`;
  const present = saved.filter((line) => line.startsWith(`-A ${hook} `) && line.endsWith(` -j ${name}`));
  if (present.length === 1 && present[0] === wanted) return [];
  return [...present.map((line) => line.replace(/^-A/, '-D')), wanted];
}

/** As the save programs print it: only comments are quoted. */
function formatRule(rule: Rule): string {
  return rule.map((part, at) => (rule[at - 1] === '--comment' ? JSON.stringify(part) : part)).join(' ');
}
