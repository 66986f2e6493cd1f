/** One process at a time: a file that names who holds it. Left behind by a process that died, it is taken over. */
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import path from 'node:path';
import { until } from './wait.ts';

const EVERY_MS = 500;

export interface LockOptions {
  readonly timeoutMs: number;
  readonly signal?: AbortSignal;
  /** Told once, when there is somebody to wait for. */
  readonly onWait?: (holder: string) => void;
}

/**
 * Waits until nobody else holds `file`; disposing gives it back.
 * @throws Error naming the holder when the time is over.
 */
export async function lockFile(file: string, options: LockOptions): Promise<AsyncDisposable> {
  await mkdir(path.dirname(file), { recursive: true });
  let told = false;
  await until(
    `${file} to be free`,
    async () => {
      if (await create(file)) return true;
      const holder = await readFile(file, 'utf8').catch(() => '');
      if (holder !== '' && !isAlive(Number(holder))) await rm(file, { force: true });
      else if (!told) {
        told = true;
        options.onWait?.(holder);
      }
      throw new Error(`process ${holder} holds it`);
    },
    { everyMs: EVERY_MS, ...options },
  );
  return { [Symbol.asyncDispose]: () => rm(file, { force: true }) };
}

async function create(file: string): Promise<boolean> {
  try {
    const handle = await open(file, 'wx', 0o600);
    await handle.writeFile(String(process.pid));
    await handle.close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return Number.isInteger(pid) && pid > 0 && process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
