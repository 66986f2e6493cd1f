import assert from 'node:assert/strict';
import test from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { compressedBytes, fixImage } from './archive.ts';
import { readTar, writeTar } from './tar.ts';

/** What an engine saves: times and notes of its own, and layers in folders with names of its own. */
interface SavedOptions {
  readonly atS: number;
  readonly folder: string;
  readonly content?: string;
  readonly compress?: (layer: Buffer) => Buffer;
}

function saved(options: SavedOptions): Buffer {
  const { atS, folder, content = 'program', compress = (layer) => layer } = options;
  const layer = writeTar([{ name: 'usr/bin/x', body: Buffer.from(content) }], atS);
  const config = {
    architecture: 'amd64',
    os: 'linux',
    created: new Date(atS * 1000).toISOString(),
    container: `made-${atS}`,
    config: {
      Entrypoint: ['/usr/bin/x'],
      User: '2102',
      Labels: atS % 2 === 0 ? { a: '1', b: '2' } : { b: '2', a: '1' },
      Hostname: `h${atS}`,
    },
  };
  const manifest = [{ Config: 'config.json', RepoTags: null, Layers: [`${folder}/layer.tar`] }];
  return writeTar(
    [
      { name: 'config.json', body: Buffer.from(JSON.stringify(config)) },
      { name: `${folder}/layer.tar`, body: compress(layer) },
      { name: 'manifest.json', body: Buffer.from(JSON.stringify(manifest)) },
    ],
    atS,
  );
}

test('the same files give the same image, whenever they were built', () => {
  const one = fixImage(saved({ atS: 100, folder: 'l1' }), 'x:1', 7);
  const two = fixImage(saved({ atS: 203, folder: 'l2' }), 'x:1', 7);
  assert.equal(one.id, two.id);
  assert.deepEqual(one.archive, two.archive);
});

test('an engine that saves compressed layers gives the same image', () => {
  const plain = fixImage(saved({ atS: 100, folder: 'l1' }), 'x:1', 7);
  for (const compress of [gzipSync, zstdCompressSync]) {
    assert.equal(fixImage(saved({ atS: 100, folder: 'l1', compress }), 'x:1', 7).id, plain.id);
  }
  const broken = saved({ atS: 100, folder: 'l1', compress: () => Buffer.alloc(1024, 1) });
  assert.throws(() => fixImage(broken, 'x:1', 7), /layer l1\/layer\.tar is neither/);
});

test('other files, and another time, give another image', () => {
  const one = fixImage(saved({ atS: 100, folder: 'l1' }), 'x:1', 7);
  assert.notEqual(one.id, fixImage(saved({ atS: 100, folder: 'l1', content: 'other' }), 'x:1', 7).id);
  assert.notEqual(one.id, fixImage(saved({ atS: 100, folder: 'l1' }), 'x:1', 8).id);
});

test('the image keeps how it runs', () => {
  const { archive, id } = fixImage(saved({ atS: 100, folder: 'l1' }), 'x:1', 7);
  const files = new Map([...readTar(archive)].map(({ name, body }) => [name, body.toString('utf8')]));
  const [manifest] = JSON.parse(files.get('manifest.json') ?? '') as { Config: string; RepoTags: string[] }[];
  assert.deepEqual(manifest?.RepoTags, ['x:1']);
  assert.equal(manifest?.Config, `${id.replace('sha256:', '')}.json`);
  const { config, created } = JSON.parse(files.get(manifest?.Config ?? '') ?? '') as {
    config: unknown;
    created: string;
  };
  assert.deepEqual(config, { User: '2102', Entrypoint: ['/usr/bin/x'], Labels: { a: '1', b: '2' } });
  assert.equal(created, '1970-01-01T00:00:07.000Z');
});

test('an archive of nothing is refused', () => {
  const empty = writeTar([{ name: 'manifest.json', body: Buffer.from('[]') }], 1);
  assert.throws(() => fixImage(empty, 'x:1', 7), /must hold one image/);
});

test('the compressed size is that of all layers', async () => {
  const layer = Buffer.alloc(100_000);
  const one = await compressedBytes([layer]);
  assert.ok(one < 1000);
  assert.equal(await compressedBytes([layer, layer]), 2 * one);
});
