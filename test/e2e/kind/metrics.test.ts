/** Prometheus, as it is, reads the sidecars' metrics and answers questions about who called whom. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { patience, until } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { loadPrograms } from './images.ts';
import { curl, nginx, prometheus } from './programs.ts';
import { deploy, openKindFederation, podOf, Shell, SKIP } from './workloads.ts';

const NAMESPACE = 'e2e-metrics';
const ADMIN_PORT = 4191;

interface Answer {
  readonly status: string;
  readonly data: {
    readonly result: readonly {
      readonly metric: Readonly<Record<string, string>>;
      readonly value: readonly [number, string];
    }[];
  };
}

suite('metrics', { skip: SKIP }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;
  let shell: Shell;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    await loadPrograms('east', ['curl', 'nginx', 'prometheus']);
    await federation.namespace(east, NAMESPACE, { annotations: { 'linkerd.io/inject': 'enabled' } });
    await deploy(east, [curl({ namespace: NAMESPACE }), nginx({ namespace: NAMESPACE })]);
    const pods = await Promise.all(['curl', 'nginx'].map((app) => podOf(east, NAMESPACE, app)));
    const targets = pods.map((pod) => `${pod.status?.podIP ?? ''}:${ADMIN_PORT}`);
    await deploy(east, [prometheus(targets, { namespace: NAMESPACE })]);
    shell = new Shell(home, east, NAMESPACE, 'curl');
    await shell.getUntil(`http://nginx.${NAMESPACE}:8080/`, 200);
  });

  after(() => federation?.[Symbol.asyncDispose]());

  async function query(expression: string): Promise<Answer['data']['result']> {
    const url = `http://prometheus.${NAMESPACE}:9090/api/v1/query`;
    const { code, stdout, stderr } = await shell.run(
      'curl',
      '-sS',
      '-m',
      '20',
      '-G',
      '--data-urlencode',
      `query=${expression}`,
      url,
    );
    assert.equal(code, 0, stderr);
    const answer = JSON.parse(stdout) as Answer;
    assert.equal(answer.status, 'success', stdout);
    return answer.data.result;
  }

  async function queryUntil(what: string, expression: string, count: number): Promise<Answer['data']['result']> {
    return until(
      what,
      async () => {
        const result = await query(expression);
        if (result.length === count) return result;
        throw new Error(JSON.stringify(result));
      },
      { timeoutMs: patience(15_000), everyMs: 250 },
    );
  }

  test('every sidecar is scraped, and what it says is well-formed', async () => {
    await queryUntil('both sidecars to be up', 'up == 1', 2);
    assert.deepEqual(await query('scrape_samples_scraped < 50'), []);
  });

  test('request_total tells the caller at the server, and the server at the caller', async () => {
    const id = (name: string): string => `${name}.${NAMESPACE}.serviceaccount.identity.linkerd.cluster.local`;
    const inbound = await queryUntil(
      'inbound requests of curl',
      'sum by (client_id) (request_total{direction="inbound",tls="true",target_port="8080"})',
      1,
    );
    assert.equal(inbound[0]?.metric['client_id'], id('curl'));
    const outbound = await queryUntil(
      'outbound requests to nginx',
      'sum by (server_id, dst_deployment) (request_total{direction="outbound",dst_deployment="nginx"})',
      1,
    );
    assert.deepEqual(outbound[0]?.metric, { server_id: id('nginx'), dst_deployment: 'nginx' });
  });

  test('latency is a histogram that quantiles can be taken of', async () => {
    const [p99] = await queryUntil(
      'a quantile',
      'histogram_quantile(0.99, sum by (le) (response_latency_ms_bucket{direction="inbound",target_port="8080"}))',
      1,
    );
    assert.ok(Number(p99?.value[1]) > 0, JSON.stringify(p99));
  });
});
