/** Builds one image: bundles its programs, runs `docker build`, and makes the result reproducible. */
import { chmod, cp, link, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { MESH_VERSION } from '@mesh/cli';
import { lockFile } from '../home/file-lock.ts';
import { runProgram, tryProgram } from '../home/program.ts';
import { compressedBytes, fixImage } from './archive.ts';
import { bundleMesh, bundleMeshProxy, copyShop, ROOT, runtimeBinary } from './bundle.ts';
import type { Runtime } from './bundle.ts';

export interface ImageSpec {
  readonly name: string;
  readonly version: string;
  readonly dockerfile: string;
  readonly runtime: Runtime;
  /** The most a node may have to download, in bytes; `undefined` for what no user gets. */
  readonly compressedMax?: number;
  readonly bundle: (folder: string) => Promise<void>;
}

export interface BuiltImage {
  readonly name: string;
  readonly tag: string;
  readonly id: string;
  readonly bytes: number;
  readonly compressedBytes: number;
  readonly compressedMax?: number;
  readonly ms: number;
}

const MB = 1_000_000;

export const IMAGES: readonly ImageSpec[] = [
  {
    name: 'mesh-proxy',
    version: MESH_VERSION,
    dockerfile: 'mesh-proxy.Dockerfile',
    runtime: 'bun',
    compressedMax: 75 * MB,
    bundle: (folder) => bundleMeshProxy(folder, 'bun'),
  },
  {
    name: 'mesh-proxy-node',
    version: MESH_VERSION,
    dockerfile: 'mesh-proxy.Dockerfile',
    runtime: 'node',
    compressedMax: 75 * MB,
    bundle: (folder) => bundleMeshProxy(folder, 'node'),
  },
  {
    name: 'mesh',
    version: MESH_VERSION,
    dockerfile: 'mesh.Dockerfile',
    runtime: 'node',
    compressedMax: 120 * MB,
    bundle: bundleMesh,
  },
  { name: 'shop', version: '1', dockerfile: 'shop.Dockerfile', runtime: 'node', bundle: copyShop },
];

/** Where builds happen; git does not see it. */
const WORK = path.join(ROOT, 'dist', 'images');
/** For a build of the same image by somebody else. */
const OTHER_BUILD_TIMEOUT_MS = 15 * 60_000;
const DEFAULT_BASE = 'debian:bookworm-slim';
/** 2026-01-01: files and images carry this time unless SOURCE_DATE_EPOCH says otherwise. */
const DEFAULT_EPOCH_S = 1_767_225_600;

export interface BuildOptions {
  /** The image whose system libraries and iptables are taken. */
  readonly base?: string | undefined;
  readonly epochS?: number | undefined;
  readonly revision?: string | undefined;
  /** Builds without the engine's cache. */
  readonly fresh?: boolean;
}

export async function buildImage(spec: ImageSpec, options: BuildOptions = {}): Promise<BuiltImage> {
  const startedAt = performance.now();
  await using _lock = await lockFile(path.join(WORK, `${spec.name}.lock`), { timeoutMs: OTHER_BUILD_TIMEOUT_MS });
  const context = path.join(WORK, spec.name);
  await stage(spec, context);
  const tag = `${spec.name}:${spec.version}`;
  const built = await dockerBuild(spec, context, options);
  const known = path.join(WORK, `${spec.name}.json`);
  const epochS = options.epochS ?? DEFAULT_EPOCH_S;
  const before = await lastResult(known);
  const isSame = before?.built === built && before.epochS === epochS && (await exists(before.image.id));
  const image = isSame ? before.image : { ...(await fixAndLoad(built, tag, epochS)), name: spec.name, tag };
  if (isSame) await runProgram('docker', ['tag', image.id, tag]);
  else {
    await writeFile(known, JSON.stringify({ built, epochS, image } satisfies LastResult));
    await removeUnused([before?.built, before?.image.id], [built, image.id]);
  }
  return {
    ...image,
    ...(spec.compressedMax === undefined ? {} : { compressedMax: spec.compressedMax }),
    ms: Math.round(performance.now() - startedAt),
  };
}

/** What a build left, so that the next one of the same files need not compress it again. */
interface LastResult {
  readonly built: string;
  readonly epochS: number;
  readonly image: Omit<BuiltImage, 'ms' | 'compressedMax'>;
}

async function stage(spec: ImageSpec, context: string): Promise<void> {
  await rm(context, { recursive: true, force: true });
  await mkdir(path.join(context, 'bin'), { recursive: true });
  const binary = runtimeBinary(spec.runtime);
  const staged = path.join(context, 'bin', spec.runtime);
  await link(binary, staged).catch(() => cp(binary, staged, { dereference: true }));
  const docker = path.join(ROOT, 'docker');
  for (const file of ['need', 'collect', 'collect-firewall'])
    await cp(path.join(docker, file), path.join(context, file));
  await cp(path.join(docker, spec.dockerfile), path.join(context, 'Dockerfile'));
  await mkdir(path.join(context, 'lib'));
  await spec.bundle(path.join(context, 'lib'));
  await fixRights(path.join(context, 'lib'));
}

/** The same rights whatever mask the files were made with. */
async function fixRights(folder: string): Promise<void> {
  await chmod(folder, 0o755);
  for (const entry of await readdir(folder, { withFileTypes: true, recursive: true })) {
    const file = path.join(entry.parentPath, entry.name);
    if (entry.isSymbolicLink()) continue;
    const isProgram = entry.isDirectory() || ((await stat(file)).mode & 0o100) !== 0;
    await chmod(file, isProgram ? 0o755 : 0o644);
  }
}

/** Resolves with the id of what was built. */
async function dockerBuild(spec: ImageSpec, context: string, options: BuildOptions): Promise<string> {
  const args = {
    BASE: options.base ?? DEFAULT_BASE,
    RUNTIME: spec.runtime,
    VERSION: spec.version,
    TITLE: spec.name,
    REVISION: options.revision ?? '',
  };
  const buildArgs = Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]);
  // The old builder needs the host's network for packages; BuildKit adds notes of its own unless it is told not to.
  const isBuildKit = await hasBuildKit();
  const engine = isBuildKit ? ['--provenance=false'] : ['--network', 'host'];
  const flags = ['--quiet', ...engine, ...(options.fresh === true ? ['--no-cache'] : [])];
  const output = await runProgram('docker', ['build', ...flags, ...buildArgs, context], {
    env: { DOCKER_BUILDKIT: isBuildKit ? '1' : '0' },
  });
  return output.trim();
}

async function hasBuildKit(): Promise<boolean> {
  return process.env['DOCKER_BUILDKIT'] !== '0' && (await tryProgram('docker', ['buildx', 'version'])).code === 0;
}

async function fixAndLoad(
  built: string,
  tag: string,
  epochS: number,
): Promise<Pick<BuiltImage, 'id' | 'bytes' | 'compressedBytes'>> {
  const file = path.join(WORK, `${tag.replace(':', '-')}.tar`);
  await runProgram('docker', ['save', '--output', file, built]);
  const fixed = fixImage(await readFile(file), tag, epochS);
  await writeFile(file, fixed.archive);
  await runProgram('docker', ['load', '--input', file]);
  await rm(file);
  const bytes = fixed.layers.reduce((sum, layer) => sum + layer.length, 0);
  return { id: fixed.id, bytes, compressedBytes: await compressedBytes(fixed.layers) };
}

async function lastResult(file: string): Promise<LastResult | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as LastResult;
  } catch {
    return undefined;
  }
}

/** Images of the build before, which nothing names any more. Those that have a name or a container stay. */
async function removeUnused(old: readonly (string | undefined)[], used: readonly string[]): Promise<void> {
  for (const id of old) {
    if (id === undefined || used.includes(id)) continue;
    const tags = await tryProgram('docker', ['image', 'inspect', '--format', '{{len .RepoTags}}', id]);
    if (tags.stdout.trim() === '0') await tryProgram('docker', ['image', 'rm', id]);
  }
}

async function exists(image: string): Promise<boolean> {
  return (await tryProgram('docker', ['image', 'inspect', image])).code === 0;
}
