/** The local programs that stand for images in embedded clusters: the mesh itself, and the shop. */
import path from 'node:path';
import type { Images } from '@mesh/embedded-cluster';
import { bundleProxy } from '../../packages/proxy/tools/bundle.ts';

const ROOT = path.resolve(import.meta.dirname, '..', '..');
const BUN = { x64: 'bun-linux-x64', arm64: 'bun-linux-aarch64' }[process.arch as 'x64' | 'arm64'];

/**
 * For `mesh local up --images`, too. The sidecar runs on Bun and as one file, everything else on the pinned Node, as in the real
 * images. Makes the sidecar's file anew.
 */
export function images(): Images {
  const node = [process.execPath, '--disable-warning=ExperimentalWarning'];
  const bun = path.join(ROOT, 'node_modules', '@oven', BUN, 'bin', 'bun');
  return {
    mesh: {
      command: [...node, path.join(ROOT, 'scripts', 'images', 'mesh.ts')],
      // Compiled once, started often: a third of a controller's start is compiling.
      env: { NODE_COMPILE_CACHE: path.join(ROOT, 'node_modules', '.cache', 'node-compile') },
    },
    'mesh-proxy': {
      command: [bun, bundleProxy()],
      programs: {
        '/usr/lib/linkerd/linkerd-await': [bun, path.join(ROOT, 'packages', 'proxy-init', 'src', 'await-main.ts')],
      },
    },
    shop: {
      command: [process.execPath, path.join(ROOT, 'examples', 'shop', 'shop.mjs')],
      programs: { '/usr/bin/node': [process.execPath] },
    },
  };
}
