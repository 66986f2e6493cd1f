/** Writes the Helm charts to `charts/`, and removes what is not made any more. */
import { mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { chartFiles } from '../src/manifests/charts.ts';

const CHARTS = path.resolve(import.meta.dirname, '../../../charts');

const files = chartFiles();
await mkdir(CHARTS, { recursive: true });
for (const [name, text] of files) {
  await mkdir(path.dirname(path.join(CHARTS, name)), { recursive: true });
  await writeFile(path.join(CHARTS, name), text);
}
for (const entry of await readdir(CHARTS, { recursive: true, withFileTypes: true })) {
  const file = path.join(entry.parentPath, entry.name);
  if (entry.isFile() && !files.has(path.relative(CHARTS, file))) await rm(file);
}
