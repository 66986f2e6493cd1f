/**
 * `npm run images`: builds the container images and checks their sizes against the goals.
 *
 *   npm run images -- [--json] [--fresh] [--verify] [NAME…]      NAME: mesh-proxy, mesh-proxy-node, mesh, shop (default: all)
 *
 *   --fresh    without the engine's cache
 *   --verify   runs them, too: users, exit codes, Linkerd's paths, redirection without privileges
 *
 * Environment: BASE_IMAGE (Debian or a child of it; default debian:bookworm-slim), SOURCE_DATE_EPOCH, MESH_REVISION.
 * Exit codes: 64 for wrong usage, 1 when a build fails, or an image is larger than its goal or breaks a promise.
 */
import { parseArgs } from 'node:util';
import { messageOf } from '@mesh/runtime';
import { buildImage, IMAGES } from './build.ts';
import type { BuiltImage } from './build.ts';
import { problemsOf } from './verify.ts';

const USAGE = `usage: npm run images -- [--json] [--fresh] [--verify] [${IMAGES.map(({ name }) => name).join('|')} …]`;

process.exitCode = await main();

async function main(): Promise<number> {
  const flags = readFlags();
  if (typeof flags === 'string') {
    process.stderr.write(`images: ${flags}\n${USAGE}\n`);
    return 64;
  }
  const built: BuiltImage[] = [];
  const problems: string[] = [];
  try {
    for (const spec of IMAGES.filter(({ name }) => flags.names.length === 0 || flags.names.includes(name))) {
      const image = await buildImage(spec, {
        base: process.env['BASE_IMAGE'],
        epochS: flags.epochS,
        revision: process.env['MESH_REVISION'],
        fresh: flags.fresh,
      });
      built.push(image);
      if (image.compressedBytes > (image.compressedMax ?? Number.POSITIVE_INFINITY)) {
        problems.push(`${image.tag} is larger than its goal`);
      }
      if (flags.verify) problems.push(...(await problemsOf(spec, image)));
      if (!flags.json) process.stdout.write(`${describe(image)}\n`);
    }
  } catch (error) {
    process.stderr.write(`images: ${messageOf(error)}\n`);
    return 1;
  }
  if (flags.json) process.stdout.write(`${JSON.stringify(built, undefined, 2)}\n`);
  for (const problem of problems) process.stderr.write(`images: ${problem}\n`);
  return problems.length === 0 ? 0 : 1;
}

function describe(image: BuiltImage): string {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
  const goal = image.compressedMax === undefined ? '' : ` of at most ${mb(image.compressedMax)}`;
  return `${image.tag.padEnd(24)} ${mb(image.bytes)}, compressed ${mb(image.compressedBytes)}${goal}  ${image.id.slice(7, 19)}  ${(image.ms / 1000).toFixed(1)} s`;
}

interface Flags {
  readonly json: boolean;
  readonly fresh: boolean;
  readonly verify: boolean;
  readonly names: readonly string[];
  readonly epochS: number | undefined;
}

/** The flags, or what is wrong with them. */
function readFlags(): Flags | string {
  try {
    const { values, positionals } = parseArgs({
      options: {
        json: { type: 'boolean', default: false },
        fresh: { type: 'boolean', default: false },
        verify: { type: 'boolean', default: false },
      },
      allowPositionals: true,
    });
    const unknown = positionals.filter((name) => !IMAGES.some((spec) => spec.name === name));
    if (unknown.length > 0) return `no image ${unknown.join(', ')}`;
    const epoch = process.env['SOURCE_DATE_EPOCH'];
    if (epoch !== undefined && !/^\d+$/.test(epoch)) {
      return `SOURCE_DATE_EPOCH is ${JSON.stringify(epoch)}: give seconds since 1970`;
    }
    return { ...values, names: positionals, epochS: epoch === undefined ? undefined : Number(epoch) };
  } catch (error) {
    return messageOf(error);
  }
}
