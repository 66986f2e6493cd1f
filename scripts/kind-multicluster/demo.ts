/** `npm run kind -- demo`: the story of `npm run demo` on real clusters, which stay afterwards. */
import { NAMESPACES } from '@mesh/kube';
import { runDemo } from '../demo/demo.ts';
import type { KindHome } from '../home/kind-home.ts';
import { SHOP } from '../home/shop.ts';
import { until } from '../home/wait.ts';
import type { Settings } from './steps.ts';

/** The story is about these two. */
const CLUSTERS = ['east', 'west'];

export async function runKindDemo(settings: Settings): Promise<number> {
  const missing = CLUSTERS.filter((name) => !settings.clusters.includes(name));
  if (missing.length > 0) {
    process.stderr.write(
      `kind: the demo needs ${CLUSTERS.join(' and ')}: run npm run kind -- up --clusters ${CLUSTERS.join(',')}\n`,
    );
    return 64;
  }
  return runDemo({ json: false, keep: false }, async () => {
    const home = await settings.home();
    await Promise.all(home.clusters.map(removeShop));
    return home;
  });
}

/** The story begins without a shop; mirrors go with its namespace. */
async function removeShop({ client }: KindHome['clusters'][number]): Promise<void> {
  const ref = { name: SHOP };
  await client.delete(NAMESPACES, ref);
  await until(`namespace ${SHOP} to be gone`, async () => (await client.get(NAMESPACES, ref)) === undefined, {
    timeoutMs: 120_000,
    everyMs: 250,
  });
}
