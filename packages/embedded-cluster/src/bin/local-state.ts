/**
 * The state folder of `mesh local`: which clusters run in the background, by which process, and how to
 * reach them. One per user; gone after `down`.
 */
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface LocalCluster {
  readonly name: string;
  readonly server: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
}

export interface LocalStatus {
  readonly pid: number;
  readonly startedAt: string;
  readonly kubeconfig: string;
  readonly clusters: readonly LocalCluster[];
}

export class LocalState {
  readonly folder: string;

  /** @param folder default: a folder of this user's runtime directory */
  constructor(folder: string) {
    this.folder = folder;
  }

  static ofUser(env: Readonly<Record<string, string | undefined>>): LocalState {
    const parent = env['XDG_RUNTIME_DIR'] ?? tmpdir();
    return new LocalState(join(parent, `mesh-local-${process.getuid?.() ?? 0}`));
  }

  get kubeconfigPath(): string {
    return join(this.folder, 'kubeconfig');
  }

  get logPath(): string {
    return join(this.folder, 'log');
  }

  /** @returns undefined when nothing runs; what a dead process left behind is removed */
  read(): LocalStatus | undefined {
    let status: LocalStatus;
    try {
      status = JSON.parse(readFileSync(this.#statusPath, 'utf8')) as LocalStatus;
    } catch {
      return undefined;
    }
    if (isOurs(status.pid)) return status;
    this.remove();
    return undefined;
  }

  create(): void {
    mkdirSync(this.folder, { recursive: true, mode: 0o700 });
  }

  /** The kubeconfig first: whoever sees the status may use it. */
  write(status: LocalStatus, kubeconfig: string): void {
    this.create();
    writeFileSync(this.kubeconfigPath, kubeconfig, { mode: 0o600 });
    writeFileSync(this.#statusPath, JSON.stringify(status, undefined, 2));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }

  get #statusPath(): string {
    return join(this.folder, 'status.json');
  }
}

/** Process ids are used again: only a process that runs this program counts. */
export function isOurs(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('mesh-local');
  } catch {
    return false;
  }
}
