/** The way of docs/multicluster.md on live clusters: export, look, diagnose, restrict, take back. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { okOutput } from '../../scripts/home/cli.ts';
import type { CliResult } from '../../scripts/home/home.ts';
import { linkClusters } from '../../scripts/home/install-mesh.ts';
import { serviceExists } from '../../scripts/home/shop.ts';
import { Federation, patience, until } from './federation.ts';

let federation: Federation;

before(async () => {
  federation = await Federation.open();
  await federation.deployShops();
  await linkClusters(federation.east, federation.west);
});

after(() => federation?.[Symbol.asyncDispose]());

const diagnose = (...flags: readonly string[]): Promise<CliResult> =>
  federation.east.mesh(['multicluster', 'diagnose', 'shop/catalog', '--wait', '60s', ...flags]);

/** From both sides, through the Link that it would come by. */
const BOTH_SIDES = ['--from', 'west', '--exporter-context'] as const;

const context = (): string => federation.west.access.contextName;

test('a Service that is not exported is diagnosed as that', async () => {
  const { code, stdout } = await diagnose(...BOTH_SIDES, context(), '--no-request');
  assert.equal(code, 1, stdout);
  assert.match(stdout, /× cluster west exports shop\/catalog\n {4}Service shop\/catalog is not exported/);
});

test('an exported Service passes every step up to an answer', async () => {
  const exported = await federation.west.mesh(['multicluster', 'export', 'shop/catalog']);
  assert.match(okOutput(exported, 'mesh multicluster export'), /is exported \(gateway\) to all peers/);
  await serviceExists(federation.east, 'catalog-west', true);
  await until(
    'a ready endpoint',
    async () => (await federation.readyAddresses(federation.east, 'catalog-west')).length > 0,
    { timeoutMs: patience(20_000) },
  );
  const { code, stdout } = await diagnose(...BOTH_SIDES, context());
  assert.equal(code, 0, stdout);
  assert.match(stdout, /√ a request to shop\/catalog is answered/);
});

interface ClusterStatus {
  readonly cluster: string;
  readonly links: readonly { readonly name: string; readonly peer: string }[];
  readonly peers: readonly { readonly cluster?: string }[];
  readonly exports: readonly { readonly service: string; readonly to: readonly string[] }[];
  readonly imports: readonly { readonly service: string; readonly readyEndpoints: number }[];
}

test('status shows both sides at once', async () => {
  const contexts = [federation.east, federation.west].map(({ access }) => access.contextName).join(',');
  const { code, stdout } = await federation.east.mesh(['multicluster', 'status', '--contexts', contexts, '-o', 'json']);
  assert.equal(code, 0, stdout);
  const { clusters } = JSON.parse(stdout) as {
    readonly clusters: readonly ClusterStatus[];
  };
  const [east, west] = clusters;
  assert.deepEqual([east?.cluster, west?.cluster], ['east', 'west']);
  assert.deepEqual(
    east?.links.map(({ name, peer }) => [name, peer]),
    [['west', 'east']],
  );
  assert.equal(west?.peers[0]?.cluster, 'east');
  assert.deepEqual(
    west?.exports.map(({ service, to }) => [service, to]),
    [['shop/catalog', ['*']]],
  );
  assert.ok(east?.imports.some(({ service, readyEndpoints }) => service === 'shop/catalog-west' && readyEndpoints > 0));
});

test('an export for nobody is diagnosed as a policy that leaves this cluster out, and one for east is seen again', async () => {
  okOutput(await federation.west.mesh(['multicluster', 'export', 'shop/catalog', '--to', ',']), 'export --to nobody');
  await serviceExists(federation.east, 'catalog-west', false);
  const { code, stdout } = await diagnose(...BOTH_SIDES, context(), '--no-request');
  assert.equal(code, 1, stdout);
  assert.match(stdout, /ExportPolicy catalog of namespace shop does not show it to peer east/);
  okOutput(await federation.west.mesh(['multicluster', 'export', 'shop/catalog', '--to', 'east']), 'export --to east');
  await serviceExists(federation.east, 'catalog-west', true);
});

test('what is taken back goes', async () => {
  okOutput(await federation.west.mesh(['multicluster', 'unexport', 'shop/catalog']), 'mesh multicluster unexport');
  await serviceExists(federation.east, 'catalog-west', false);
});
