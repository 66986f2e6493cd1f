import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import test from 'node:test';
import { chartFiles } from './charts.ts';

const CHARTS = path.resolve(import.meta.dirname, '../../../../charts');

test('the charts in the repository are those that the manifests make', async () => {
  const files = chartFiles();
  const present = (await readdir(CHARTS, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(CHARTS, path.join(entry.parentPath, entry.name)));
  assert.deepEqual(present.sort(), [...files.keys()].sort(), 'run npm run generate');
  for (const [name, text] of files) {
    assert.equal(await readFile(path.join(CHARTS, name), 'utf8'), text, `charts/${name} is old: run npm run generate`);
  }
});

test('every value that a template reads is described, and every described value is read or stored', () => {
  for (const chart of ['mesh-control-plane', 'mesh-multicluster']) {
    const files = [...chartFiles()].filter(([name]) => name.startsWith(`${chart}/`));
    const templates = files.filter(([name]) => name.includes('/templates/')).map(([, text]) => text);
    const schema = JSON.parse(files.find(([name]) => name.endsWith('values.schema.json'))?.[1] ?? '{}') as Schema;
    const read = new Set(templates.join('\n').match(/\.Values(\.\w+)+/g));
    for (const one of read) assert.ok(isDescribed(schema, one.split('.').slice(2)), `${one} is not in the schema`);
    if (chart !== 'mesh-multicluster') continue; // linkerd-config stores all values of the control plane for the injector.
    for (const name of leaves(schema)) assert.ok(read.has(`.Values.${name}`), `nothing reads ${name}`);
  }
});

interface Schema {
  readonly type?: unknown;
  readonly properties?: Readonly<Record<string, Schema>>;
}

function isDescribed(schema: Schema, names: readonly string[]): boolean {
  const [name, ...rest] = names;
  if (name === undefined) return true;
  const field = schema.properties?.[name];
  return field !== undefined && isDescribed(field, rest);
}

function leaves(schema: Schema, prefix = ''): readonly string[] {
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) =>
    name === 'global' ? [] : field.properties === undefined ? [prefix + name] : leaves(field, `${prefix}${name}.`),
  );
}
