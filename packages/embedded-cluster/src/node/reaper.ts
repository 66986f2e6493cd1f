/**
 * Sees to it that nothing outlives the cluster, even when its process is killed without a chance to
 * clean up: a tiny shell holds the other end of a pipe, knows the process groups and the folder, and
 * ends them when the pipe closes.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Component } from '@mesh/runtime';

const SCRIPT = `trap '' INT TERM HUP
groups=
while read -r verb group; do
  if [ "$verb" = + ]; then groups="$groups $group"; continue; fi
  kept=
  for each in $groups; do [ "$each" = "$group" ] || kept="$kept $each"; done
  groups=$kept
done
for each in $groups; do kill -s KILL -- "-$each" 2>/dev/null; done
rm -rf -- "$1"
`;

export class Reaper implements Component {
  readonly name = 'reaper';
  readonly #folder: string;
  #child: ChildProcess | undefined;

  /** @param folder removed at the end */
  constructor(folder: string) {
    this.#folder = folder;
  }

  async start(): Promise<void> {
    const child = spawn('/bin/sh', ['-c', SCRIPT, 'embedded-cluster-reaper', this.#folder], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
      cwd: '/',
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
    });
    child.stdin?.on('error', () => undefined);
    await once(child, 'spawn');
    child.unref();
    this.#child = child;
  }

  add(group: number): void {
    this.#child?.stdin?.write(`+ ${group}\n`);
  }

  remove(group: number): void {
    this.#child?.stdin?.write(`- ${group}\n`);
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.ref();
    const gone = once(child, 'exit');
    child.stdin?.end();
    await gone;
  }
}
