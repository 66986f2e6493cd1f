/** Any program in an injected pod is intercepted, in both directions, without knowing it: what the kernel redirects is what counts. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { DEPLOYMENTS } from '@mesh/kube';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { labelService, SHOP } from '../../../scripts/home/shop.ts';
import { bound, patience, until } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { loadPrograms } from './images.ts';
import { coredns, curl, greeter, nginx, redis } from './programs.ts';
import { deploy, isMeshed, openKindFederation, podOf, Shell, SKIP } from './workloads.ts';

const MESHED = 'e2e-meshed';
const BARE = 'e2e-bare';
/** Nobody opens a connection to a proxy and is greeted by the server behind it sooner than this when the proxy waits for the client to speak. */
const DETECTION_TIMEOUT_MS = 10_000;

suite('interception', { skip: SKIP }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;
  let meshedCurl: Shell;
  let bareCurl: Shell;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    await loadPrograms('east', ['curl', 'nginx', 'redis']);
    await federation.namespace(east, MESHED, { annotations: { 'linkerd.io/inject': 'enabled' } });
    await federation.namespace(east, BARE);
    const meshed = { namespace: MESHED };
    const go = coredns(await imageOfCoredns(east), meshed);
    const greeterPort = { 'config.linkerd.io/opaque-ports': '2525' };
    await Promise.all([
      deploy(east, [
        curl(meshed),
        nginx(meshed),
        go,
        redis(meshed),
        greeter({ ...meshed, annotations: greeterPort, serviceAnnotations: greeterPort }),
      ]),
      deploy(east, [curl({ namespace: BARE }), nginx({ namespace: BARE })]),
      federation.deployShops(),
      federation.linkBoth(),
    ]);
    meshedCurl = new Shell(home, east, MESHED, 'curl');
    bareCurl = new Shell(home, east, BARE, 'curl');
  });

  after(() => federation?.[Symbol.asyncDispose]());

  /** Inbound series of a workload's sidecar for connections that came with this client's identity. */
  async function inboundFrom(workload: string, metric: string, client: string): Promise<readonly string[]> {
    const { code, stdout, stderr } = await east.mesh([
      'diagnostics',
      'proxy-metrics',
      '-n',
      MESHED,
      `deploy/${workload}`,
    ]);
    assert.equal(code, 0, stderr);
    const id = `client_id="${client}.serviceaccount.identity.linkerd.cluster.local"`;
    return stdout
      .split('\n')
      .filter((line) => line.startsWith(`${metric}{`) && line.includes('direction="inbound"') && line.includes(id));
  }

  async function seenInbound(workload: string, metric: string, client: string): Promise<void> {
    await until(
      `${metric} of ${workload} to show ${client}`,
      async () => (await inboundFrom(workload, metric, client)).length > 0,
      { timeoutMs: patience(5000) },
    );
  }

  test('the injector gave sidecars where it was asked to, and nowhere else', async () => {
    for (const app of ['curl', 'nginx', 'coredns', 'redis', 'greeter']) {
      assert.ok(isMeshed(await podOf(east, MESHED, app)), `${app} has no sidecar`);
    }
    assert.ok(!isMeshed(await podOf(east, BARE, 'nginx')));
  });

  test('curl in an injected pod is answered by the other cluster', async () => {
    await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
    const body = await meshedCurl.getUntil(`http://catalog-west.${SHOP}/products`, 200);
    assert.equal((JSON.parse(body) as { readonly cluster: string }).cluster, 'west');
  });

  test('a server written in C is told who calls', async () => {
    const body = await meshedCurl.getUntil(`http://nginx.${MESHED}:8080/`, 200);
    assert.equal(body, `client=curl.${MESHED}.serviceaccount.identity.linkerd.cluster.local\n`);
  });

  test('a server written in Go is called under mutual TLS', async () => {
    assert.equal(await meshedCurl.getUntil(`http://coredns.${MESHED}:8080/health`, 200), 'OK');
    await seenInbound('coredns', 'request_total', `curl.${MESHED}`);
  });

  test('addresses of pods are intercepted as names are', async () => {
    const ip = (await podOf(east, MESHED, 'nginx')).status?.podIP ?? '';
    const body = await meshedCurl.getUntil(`http://${ip}:8080/`, 200);
    assert.equal(body, `client=curl.${MESHED}.serviceaccount.identity.linkerd.cluster.local\n`);
  });

  test('a server that speaks first is heard at once on an opaque port, under mutual TLS', async () => {
    const startedAt = performance.now();
    const script = `(sleep 1; echo bye; sleep 1) | curl -sN -m 15 telnet://greeter.${MESHED}:2525 | while read -r l; do echo "$(date +%s) $l"; done`;
    const { stdout } = await meshedCurl.run('sh', '-c', script);
    assert.match(stdout, /220 ready\s+.*221 bye/s);
    const tookMs = performance.now() - startedAt;
    assert.ok(tookMs < bound(DETECTION_TIMEOUT_MS), `took ${tookMs} ms`);
    await seenInbound('greeter', 'tcp_open_total', `curl.${MESHED}`);
  });

  test('redis is spoken to under mutual TLS', async () => {
    const script = `(printf 'SET greeting hello\\r\\nGET greeting\\r\\nQUIT\\r\\n'; sleep 1) | curl -s -m 15 telnet://redis.${MESHED}:6379`;
    const { stdout } = await meshedCurl.run('sh', '-c', script);
    assert.match(stdout, /\+OK\r\n\$5\r\nhello\r\n/);
    await seenInbound('redis', 'tcp_open_total', `curl.${MESHED}`);
  });

  test('a pod without mesh calls a meshed one, and has no identity', async () => {
    assert.equal(await bareCurl.getUntil(`http://nginx.${MESHED}:8080/`, 200), 'client=\n');
  });

  test('a meshed pod calls one without mesh', async () => {
    assert.equal(await meshedCurl.getUntil(`http://nginx.${BARE}:8080/`, 200), 'client=\n');
  });

  test('a client cannot claim an identity in a header', async () => {
    const claim = ['-H', 'l5d-client-id: admin.linkerd.serviceaccount.identity.linkerd.cluster.local'];
    const url = `http://nginx.${MESHED}:8080/`;
    assert.equal((await bareCurl.run('curl', '-s', ...claim, url)).stdout, 'client=\n');
    assert.match((await meshedCurl.run('curl', '-s', ...claim, url)).stdout, new RegExp(`^client=curl\\.${MESHED}\\.`));
  });

  test('a refused port and an unknown name fail as they do without mesh', async () => {
    const refused = await meshedCurl.run('curl', '-s', '-m', '20', `http://nginx.${MESHED}:9/`);
    assert.notEqual(refused.code, 0, refused.stdout);
    const unknown = await meshedCurl.run('curl', '-s', '-m', '20', 'http://nobody.nowhere.svc.cluster.local/');
    assert.equal(unknown.code, 6, unknown.stderr);
  });

  test('mesh identity shows the certificate of a pod', async () => {
    const pod = await podOf(east, MESHED, 'nginx');
    const { code, stdout, stderr } = await east.mesh(['identity', '-n', MESHED, pod.metadata.name]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, new RegExp(`DNS:nginx\\.${MESHED}\\.serviceaccount\\.identity\\.linkerd\\.cluster\\.local`));
  });
});

/** A program written in Go that every kind cluster has. */
async function imageOfCoredns(cluster: KindMember): Promise<string> {
  const deployment = await cluster.client.get(DEPLOYMENTS, { namespace: 'kube-system', name: 'coredns' });
  const image = deployment?.spec.template.spec.containers[0]?.image;
  assert.ok(image !== undefined, 'no Deployment kube-system/coredns');
  return image;
}
