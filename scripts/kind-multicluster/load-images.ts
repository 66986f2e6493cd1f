/** Puts images on the nodes of clusters, building those that are not there. */
import { buildImage, IMAGES } from '../images/build.ts';
import type { ImageSpec } from '../images/build.ts';
import { runProgram, tryProgram } from '../home/program.ts';
import type { SidecarRuntime } from '../home/kind-home.ts';

/** Images that a cluster needs with this runtime of its sidecars. */
export function imagesFor(runtime: SidecarRuntime): readonly ImageSpec[] {
  const sidecar = runtime === 'bun' ? 'mesh-proxy' : 'mesh-proxy-node';
  return IMAGES.filter(({ name }) => ['mesh', 'shop', sidecar].includes(name));
}

/** Builds images that Docker does not have; resolves with their tags. What is there stays: `npm run images` renews it. */
export async function buildMissing(runtime: SidecarRuntime): Promise<readonly string[]> {
  const built: string[] = [];
  for (const spec of imagesFor(runtime)) {
    if ((await tryProgram('docker', ['image', 'inspect', tagOf(spec)])).code === 0) continue;
    await buildImage(spec, { base: process.env['BASE_IMAGE'] });
    built.push(tagOf(spec));
  }
  return built;
}

/** kind leaves nodes alone that have the image already. */
export async function loadImages(clusters: readonly string[], runtime: SidecarRuntime): Promise<void> {
  const tags = imagesFor(runtime).map(tagOf);
  await Promise.all(clusters.map((name) => runProgram('kind', ['load', 'docker-image', '--name', name, ...tags])));
}

export function tagOf(spec: ImageSpec): string {
  return `${spec.name}:${spec.version}`;
}
