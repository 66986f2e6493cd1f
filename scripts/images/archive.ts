/**
 * What `docker save` writes, made reproducible: times of files and of the build itself are fixed, and what only one engine writes is
 * left out, so that the same files give the same image id whenever, and by whatever engine, they were built.
 */
import { createHash } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync, gzip, zstdDecompressSync } from 'node:zlib';
import { readTar, withFixedTimes, writeTar } from './tar.ts';

export interface FixedImage {
  /** `sha256:…`, as `docker image inspect` shows it after loading `archive`. */
  readonly id: string;
  /** For `docker load`. */
  readonly archive: Buffer;
  readonly layers: readonly Buffer[];
}

interface SavedManifest {
  readonly Config: string;
  readonly RepoTags: readonly string[] | null;
  readonly Layers: readonly string[];
}

interface ImageConfig {
  readonly architecture: string;
  readonly os: string;
  readonly config: Readonly<Record<string, unknown>>;
}

/** A layer that an image has twice is saved once. */
const SYMBOLIC_LINK = '2';
const ZSTD_MAGIC = 0xfd2fb528;

/** Parts of a configuration that say how an image runs; anything else is about its making. */
const RUN_KEYS = ['User', 'ExposedPorts', 'Env', 'Entrypoint', 'Cmd', 'WorkingDir', 'Labels', 'StopSignal'] as const;

/** @param saved What `docker save TAG` wrote. @throws Error when it holds other than one image. */
export function fixImage(saved: Buffer, tag: string, createdS: number): FixedImage {
  const files = new Map<string, Buffer>();
  const links = new Map<string, string>();
  for (const { name, type, linkName, body } of readTar(saved)) {
    if (type === SYMBOLIC_LINK) links.set(name, path.posix.join(path.posix.dirname(name), linkName));
    else files.set(name, body);
  }
  const file = (name: string): Buffer => {
    const found = files.get(links.get(name) ?? name);
    if (found === undefined) throw new Error(`the saved image has no ${name}`);
    return found;
  };
  const manifests = JSON.parse(file('manifest.json').toString('utf8')) as readonly SavedManifest[];
  const [manifest] = manifests;
  if (manifest === undefined || manifests.length !== 1) throw new Error('the saved archive must hold one image');
  const layers = manifest.Layers.map((name) => withFixedTimes(uncompressed(name, file(name)), createdS));
  const diffIds = layers.map(sha256);
  const built = JSON.parse(file(manifest.Config).toString('utf8')) as ImageConfig;
  const created = new Date(createdS * 1000).toISOString();
  const config = Buffer.from(
    JSON.stringify({
      architecture: built.architecture,
      config: Object.fromEntries(
        RUN_KEYS.flatMap((key) => {
          const value = built.config[key];
          return value === undefined || value === null ? [] : [[key, sorted(value)]];
        }),
      ),
      created,
      history: diffIds.map(() => ({ created, created_by: 'npm run images' })),
      os: built.os,
      rootfs: { type: 'layers', diff_ids: diffIds.map((id) => `sha256:${id}`) },
    }),
  );
  const id = sha256(config);
  const list = [{ Config: `${id}.json`, RepoTags: [tag], Layers: diffIds.map((diff) => `${diff}/layer.tar`) }];
  const archive = writeTar(
    [
      { name: `${id}.json`, body: config },
      ...diffIds.map((diff, index) => ({ name: `${diff}/layer.tar`, body: layers[index] ?? Buffer.alloc(0) })),
      { name: 'manifest.json', body: Buffer.from(JSON.stringify(list)) },
    ],
    createdS,
  );
  return { id: `sha256:${id}`, archive, layers };
}

/** Bytes that a node downloads: every layer as gzip at its usual level, as registries get them. */
export async function compressedBytes(layers: readonly Buffer[]): Promise<number> {
  const sizes = await Promise.all(layers.map(async (layer) => (await promisify(gzip)(layer)).length));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** Engines that keep images as registries have them save compressed layers. */
function uncompressed(name: string, layer: Buffer): Buffer {
  if (layer[0] === 0x1f && layer[1] === 0x8b) return gunzipSync(layer);
  if (layer.readUInt32LE(0) === ZSTD_MAGIC) return zstdDecompressSync(layer);
  if (layer.toString('latin1', 257, 262) === 'ustar') return layer;
  throw new Error(`layer ${name} is neither a tar archive nor one that gzip or zstd compressed`);
}

/** Keys of objects in a fixed order, at every depth. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, each]) => [key, sorted(each)]),
  );
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
