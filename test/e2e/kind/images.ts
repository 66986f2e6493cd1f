/**
 * Images of programs that nobody wrote for a mesh. Each has a public default and a variable for another one, such as where no registry can be
 * reached: MESH_E2E_CURL_IMAGE, MESH_E2E_NGINX_IMAGE, MESH_E2E_REDIS_IMAGE, MESH_E2E_PROMETHEUS_IMAGE, MESH_E2E_TCPDUMP_IMAGE.
 */
import { runProgram, tryProgram } from '../../../scripts/home/program.ts';

const DEFAULTS = {
  curl: 'docker.io/curlimages/curl:8.16.0',
  nginx: 'docker.io/library/nginx:1.29-alpine',
  redis: 'docker.io/library/redis:8.2-alpine',
  prometheus: 'docker.io/prom/prometheus:v3.6.0',
  tcpdump: 'docker.io/nicolaka/netshoot:v0.14',
} as const;

export type Program = keyof typeof DEFAULTS;

/** Has Node and is on every node of a cluster with the shop. */
export const SHOP_IMAGE = 'shop:1';

export function imageOf(program: Program): string {
  const chosen = process.env[variableOf(program)];
  return chosen === undefined || chosen === '' ? DEFAULTS[program] : chosen;
}

/**
 * The image in Docker, pulled when it is not there.
 * @throws Error naming the variable that chooses another one.
 */
export async function ensureImage(program: Program): Promise<string> {
  const image = imageOf(program);
  if ((await tryProgram('docker', ['image', 'inspect', image])).code === 0) return image;
  const pulled = await tryProgram('docker', ['pull', '--quiet', image]);
  if (pulled.code === 0) return image;
  throw new Error(
    `image ${image} for ${program} cannot be pulled (${pulled.stderr.trim()}): set ${variableOf(program)} to one that Docker has`,
  );
}

/** The images on every node of the cluster. */
export async function loadPrograms(cluster: string, programs: readonly Program[]): Promise<void> {
  const images = new Set(await Promise.all(programs.map(ensureImage)));
  await runProgram('kind', ['load', 'docker-image', '--name', cluster, ...images]);
}

function variableOf(program: Program): string {
  return `MESH_E2E_${program.toUpperCase()}_IMAGE`;
}
