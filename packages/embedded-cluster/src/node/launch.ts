/** Processes of containers: what one needs to start, commands beside it, and ending its whole group. */
import { spawn } from 'node:child_process';

const OUTPUT_CHARACTERS_MAX = 10_000;

/** Everything that a process needs, resolved just before each start. */
export interface LaunchPlan {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string;
}

export interface ExecResult {
  readonly code: number;
  readonly output: string;
}

/** Runs a command to its end, or kills it after `timeoutMs`; its group is known to `watch` meanwhile. */
export function execPlan(
  plan: LaunchPlan,
  timeoutMs: number,
  watch: { spawned(pid: number): void; exited(pid: number): void },
): Promise<ExecResult> {
  return new Promise((resolve) => {
    const { env, cwd } = plan;
    const child = spawn(plan.argv[0] ?? '', plan.argv.slice(1), {
      env,
      cwd,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    const take = (chunk: Buffer): void => {
      if (output.length < OUTPUT_CHARACTERS_MAX) output += chunk.toString();
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    const { pid } = child;
    if (pid !== undefined) watch.spawned(pid);
    const timer = setTimeout(() => pid !== undefined && killGroup(pid, 'SIGKILL'), timeoutMs);
    child.once('error', (error) => {
      clearTimeout(timer);
      resolve({ code: 127, output: error.message });
    });
    child.once('exit', (code) => {
      clearTimeout(timer);
      if (pid !== undefined) watch.exited(pid);
      resolve({ code: code ?? 137, output: output.trim() });
    });
  });
}

/** @returns false when the group is gone */
export function killGroup(pid: number, signal: NodeJS.Signals): boolean {
  try {
    process.kill(-pid, signal);
    return true;
  } catch {
    return false;
  }
}
