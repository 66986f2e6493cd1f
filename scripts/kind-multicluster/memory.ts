/** Which clusters `up` made, so that other verbs need not be told again. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';

/** Kubeconfig, trust anchor and memory; git does not see it. */
export const FOLDER = path.resolve(import.meta.dirname, '..', '..', 'dist', 'kind');
const FILE = path.join(FOLDER, 'clusters.json');
const DEFAULT = ['east', 'west'];

/** The clusters that a verb is about when nobody says otherwise. */
export async function known(): Promise<readonly string[]> {
  const names = await remembered();
  return names.length > 0 ? names : DEFAULT;
}

export async function remember(names: readonly string[]): Promise<void> {
  await write([...new Set([...(await remembered()), ...names])]);
}

/** With the last cluster, the trust anchor goes, too. */
export async function forget(names: readonly string[]): Promise<void> {
  await write((await remembered()).filter((name) => !names.includes(name)));
}

async function remembered(): Promise<readonly string[]> {
  try {
    const names: unknown = JSON.parse(await readFile(FILE, 'utf8'));
    return Array.isArray(names) && names.every((name) => typeof name === 'string') ? names : [];
  } catch {
    return [];
  }
}

async function write(names: readonly string[]): Promise<void> {
  if (names.length === 0) {
    await rm(FOLDER, { recursive: true, force: true });
    return;
  }
  await mkdir(FOLDER, { recursive: true, mode: 0o700 });
  await writeFile(FILE, JSON.stringify(names));
}
