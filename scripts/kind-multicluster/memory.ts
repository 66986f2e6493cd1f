/** Which clusters the last `up` was about, so that other verbs need not be told again. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Kubeconfig, trust anchor and memory; git does not see it. */
export const FOLDER = path.resolve(import.meta.dirname, '..', '..', 'dist', 'kind');
const FILE = path.join(FOLDER, 'clusters.json');
const DEFAULT = ['east', 'west'];

export async function known(): Promise<readonly string[]> {
  try {
    const names: unknown = JSON.parse(await readFile(FILE, 'utf8'));
    return Array.isArray(names) && names.every((name) => typeof name === 'string') && names.length > 0
      ? names
      : DEFAULT;
  } catch {
    return DEFAULT;
  }
}

/** With no names everything is forgotten, the trust anchor of the deleted clusters, too. */
export async function remember(names: readonly string[]): Promise<void> {
  if (names.length === 0) await rm(FOLDER, { recursive: true, force: true });
  else {
    await mkdir(FOLDER, { recursive: true, mode: 0o700 });
    await writeFile(FILE, JSON.stringify(names));
  }
}
