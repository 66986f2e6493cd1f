import assert from 'node:assert/strict';
import test from 'node:test';
import { ENDPOINT_SLICES, LINKS, NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES } from '@mesh/kube';
import type { Pod, ResourceKind, ServicePort } from '@mesh/kube';
import type { FakeApi } from '@mesh/kube/testing';
import { formatReport } from '../../probe/report.ts';
import type { ProbeReport } from '../../probe/report.ts';
import { mesh } from '../../testing/harness.ts';
import { failures, installedCluster, outcomeOf, stateOf } from '../../testing/installed-cluster.ts';
import { runChecks } from '../check.ts';
import type { CategoryOutcome } from '../check.ts';
import { gatewayTargets, probeTargets } from './gateway-targets.ts';
import { ProbeRun } from './probe-run.ts';
import { gatewayTrafficCategory, trafficCategory } from './traffic.ts';

const KINDS = [NAMESPACES, PODS, SERVICES, SERVICE_ACCOUNTS] as readonly ResourceKind[];
const SUFFIX = 'serviceaccount.identity.linkerd.cluster.local';

function probeObjects(api: FakeApi): readonly string[] {
  return KINDS.flatMap((kind) =>
    api
      .peekAll(kind)
      .filter((object) => object.metadata.labels?.['federation.mesh.dev/check'] === 'traffic')
      .map((object) => `${kind.kind} ${object.metadata.name}`),
  );
}

/** Injects, runs and finishes the probe's pods as injector, kubelet and programs do; `report` is what the client writes. */
class Cluster {
  readonly api: FakeApi;
  readonly probe: ProbeRun;
  phase: 'Succeeded' | 'Pending' = 'Succeeded';
  report: Partial<ProbeReport> = {};

  constructor(api: FakeApi, namespace?: string) {
    this.api = api;
    this.probe = new ProbeRun(stateOf(api), { namespace, withServer: true, targets: [] });
    api.onRaw((path) => (path.endsWith('/log?container=probe') ? { status: 200, text: this.#log() } : undefined));
  }

  async run(): Promise<readonly CategoryOutcome[]> {
    const options = { waitMs: 0, retryMs: 1, signal: new AbortController().signal };
    const category = trafficCategory(stateOf(this.api), this.probe);
    const checks = category.checks.map((check, index) => ({
      ...check,
      run: async (signal: AbortSignal) => {
        const detail = await check.run(signal);
        if (index === 0) this.#play();
        return detail;
      },
    }));
    return runChecks([{ ...category, checks }], options);
  }

  #play(): void {
    const pods = this.api.peekAll(PODS).filter((pod) => pod.metadata.name.startsWith('mesh-check-'));
    for (const pod of pods) {
      const isClient = pod.metadata.name.startsWith('mesh-check-client');
      this.api.seed(PODS, {
        ...pod,
        status: {
          phase: isClient ? this.phase : 'Running',
          containerStatuses: [
            { name: 'probe', ready: false, restartCount: 0, state: { waiting: { reason: 'ImagePullBackOff' } } },
          ],
        },
      });
    }
  }

  #log(): string {
    const { namespace, clientAccount, serverAccount } = this.probe;
    return formatReport({
      target: 'local',
      url: 'http://server/',
      answered: 20,
      failed: 0,
      latencyMs: { p50: 1.5, p99: 4 },
      status: 200,
      httpVersion: '1.1',
      server: { pod: serverAccount, clientIdentity: `${clientAccount}.${namespace}.${SUFFIX}`, httpVersion: '1.1' },
      sidecar: { tls: 'true', serverIdentity: `${serverAccount}.${namespace}.${SUFFIX}` },
      ...this.report,
    });
  }
}

/** The injector, played at creation. */
async function cluster(injects = true, namespace?: string): Promise<Cluster> {
  const api = await installedCluster();
  if (injects) {
    const create = api.create.bind(api);
    api.create = ((kind: ResourceKind, object: Pod) =>
      create(
        kind,
        kind.kind === 'Pod'
          ? { ...object, spec: { ...object.spec, initContainers: [{ name: 'linkerd-proxy' }] } }
          : object,
      )) as typeof api.create;
  }
  return new Cluster(api, namespace);
}

test('a run that succeeds shows requests, encryption and both identities, and leaves nothing', async () => {
  const run = await cluster();
  const outcomes = await run.run();
  assert.deepEqual(failures(outcomes), []);
  assert.equal(
    outcomeOf(outcomes, 'requests between meshed pods are answered')?.detail,
    '20 requests to http://server/: HTTP/1.1 200, latency p50 1.5 ms, p99 4 ms',
  );
  assert.match(
    outcomeOf(outcomes, 'client and server know each other by identity')?.detail ?? '',
    /^client mesh-check-client-\w+\.mesh-check-\w+\.serviceaccount\S+\nserver mesh-check-server-/,
  );
  assert.deepEqual(probeObjects(run.api), []);
});

test('pods without a sidecar end the run, and go with it', async () => {
  const run = await cluster(false);
  const outcomes = await run.run();
  assert.match(
    outcomeOf(outcomes, 'traffic probe is injected')?.error ?? '',
    /got no linkerd-proxy: the injector did not answer/,
  );
  assert.notDeepEqual(probeObjects(run.api), []);
  await run.probe[Symbol.asyncDispose]();
  assert.deepEqual(probeObjects(run.api), []);
});

test('pods that do not start are told with the reason of the kubelet', async () => {
  const run = await cluster();
  run.phase = 'Pending';
  const { error } = outcomeOf(await run.run(), 'traffic probe has run') ?? {};
  assert.match(error ?? '', /^pod mesh-check-\w+\/mesh-check-client-\w+ is Pending \(ImagePullBackOff\)$/);
});

test('failures of each kind are told by their own check', async () => {
  const answered = 'requests between meshed pods are answered';
  const encrypted = 'requests between meshed pods are encrypted';
  const known = 'client and server know each other by identity';
  const cases: readonly (readonly [Partial<ProbeReport>, string, RegExp])[] = [
    [
      { answered: 0, failed: 1, error: 'ENOTFOUND' },
      answered,
      /^no request to http:\/\/server\/ was answered: ENOTFOUND$/,
    ],
    [{ answered: 18, failed: 2, error: 'status 504' }, answered, /^2 of 20 requests to \S+ failed: status 504$/],
    [
      { sidecar: { tls: 'no_identity', reason: 'loopback', serverIdentity: '' } },
      encrypted,
      /without TLS \(loopback\)/,
    ],
    [{ sidecar: undefined as never }, encrypted, /counted no requests/],
    [
      { server: { pod: '', clientIdentity: '', httpVersion: '1.1' } },
      known,
      /the server saw client nobody, not mesh-check-client/,
    ],
    [
      { sidecar: { tls: 'true', serverIdentity: 'mallory' } },
      known,
      /the client saw server mallory, not mesh-check-server/,
    ],
  ];
  for (const [report, description, message] of cases) {
    const run = await cluster();
    run.report = report;
    const outcomes = await run.run();
    assert.match(outcomeOf(outcomes, description)?.error ?? '', message);
    assert.equal(outcomeOf(outcomes, 'traffic probe is removed')?.result, 'success');
  }
});

test('in a namespace of the user everything else goes and the namespace stays', async () => {
  const { api } = await cluster();
  api.seed(NAMESPACES, { metadata: { name: 'shop' } });
  assert.deepEqual(failures(await new Cluster(api, 'shop').run()), []);
  assert.deepEqual(probeObjects(api), []);
  assert.ok(api.peek(NAMESPACES, 'shop'));
});

test('what an old run left is deleted, what another run is using is not', async (t) => {
  const run = await cluster();
  const labels = { 'federation.mesh.dev/check': 'traffic' };
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() - 3_600_000 });
  run.api.seed(NAMESPACES, { metadata: { name: 'mesh-check-old', labels } });
  t.mock.timers.reset();
  run.api.seed(NAMESPACES, { metadata: { name: 'mesh-check-new', labels } });
  assert.deepEqual(failures(await run.run()), []);
  assert.deepEqual(probeObjects(run.api), ['Namespace mesh-check-new']);
});

test('a right that is missing is told, and half a probe is removed', async () => {
  const run = await cluster();
  run.api.fault({
    match: (call) => call.verb === 'create' && call.resource === 'pods',
    code: 'forbidden',
    status: 403,
    message: 'no',
  });
  const outcomes = await run.run();
  assert.match(
    outcomeOf(outcomes, 'traffic probe can be created')?.error ?? '',
    /pods mesh-check-\w+\/mesh-check-server-\w+: no/,
  );
  await run.probe[Symbol.asyncDispose]();
  assert.deepEqual(probeObjects(run.api), []);
});

test('an interrupted command removes its probe and fails', async () => {
  const { api } = await cluster();
  const interrupt = new AbortController();
  const create = api.create.bind(api);
  api.create = ((kind: ResourceKind, object: Pod) => {
    if (kind.kind === 'Pod') queueMicrotask(() => interrupt.abort());
    return create(kind, object);
  }) as typeof api.create;
  const { code } = await mesh('check --traffic --wait 60s', { api, signal: interrupt.signal });
  assert.equal(code, 1);
  assert.deepEqual(probeObjects(api), []);
});

test('a clean-up that fails says where the probe is', async () => {
  const { api } = await cluster(false);
  api.fault({ match: (call) => call.verb === 'delete', code: 'unreachable' });
  const { code, stderr } = await mesh('check --traffic --wait 0', { api });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /the traffic probe could not be removed: .*it is in namespace mesh-check-\w+, labelled federation\.mesh\.dev\/check=traffic/,
  );
});

test('flags that contradict each other are refused', async () => {
  for (const line of ['check --pre --traffic', 'check --crds --traffic', 'check --traffic-namespace shop']) {
    const { code, stderr } = await mesh(line);
    assert.equal(code, 1);
    assert.match(stderr, /--traffic/);
  }
});

/** A Link to `west` and mirrors of its Services, by name, with their port. */
async function linked(mirrors: Readonly<Record<string, ServicePort>>, ready = true): Promise<FakeApi> {
  const api = await installedCluster();
  api.seed(LINKS, {
    metadata: { namespace: 'linkerd-multicluster', name: 'west' },
    spec: { targetClusterName: 'west', gatewayAddress: '10.9.0.1', gatewayIdentity: 'gateway.west' },
  });
  for (const [name, port] of Object.entries(mirrors)) {
    const labels = { 'mirror.linkerd.io/mirrored-service': 'true', 'mirror.linkerd.io/cluster-name': 'west' };
    api.seed(SERVICES, { metadata: { namespace: 'shop', name, labels }, spec: { ports: [port] } });
    api.seed(ENDPOINT_SLICES, {
      metadata: { namespace: 'shop', name, labels: { ...labels, 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.9.0.1'], conditions: { ready } }],
    });
  }
  return api;
}

test('of the mirrors of a cluster one is called that looks like HTTP; where there is none, it is said why', async () => {
  const target = async (mirrors: Readonly<Record<string, ServicePort>>, ready?: boolean) => {
    const [found] = await gatewayTargets(stateOf(await linked(mirrors, ready)));
    return found?.url ?? found?.problem ?? '';
  };
  assert.equal(
    await target({
      'a-west': { port: 80 },
      'b-west': { port: 9000, name: 'http' },
      'c-west': { port: 1, appProtocol: 'grpc' },
    }),
    'http://b-west.shop.svc.cluster.local:9000/',
  );
  assert.match(await target({ 'a-west': { port: 5432 }, 'b-west': { port: 443, name: 'https' } }), /looks like HTTP/);
  assert.match(
    await target({ 'a-west': { port: 80 } }, false),
    /none of the 1 mirror services of west has a ready endpoint/,
  );
  assert.match(
    await target({}),
    /no service of west is mirrored here; label one mirror\.linkerd\.io\/exported=true there/,
  );
});

test('through a gateway the answer, the encryption and the identity of the gateway count', async () => {
  const targets = await gatewayTargets(stateOf(await linked({ 'web-west': { port: 80 } })));
  assert.deepEqual(probeTargets(targets), [{ name: 'west', url: 'http://web-west.shop.svc.cluster.local:80/' }]);
  const report = (serverIdentity: string): ProbeReport => ({
    target: 'west',
    url: 'http://web-west/',
    answered: 20,
    failed: 0,
    sidecar: { tls: 'true', serverIdentity },
  });
  const outcome = async (identity: string) => {
    const probe = { report: () => report(identity) } as unknown as ProbeRun;
    const { checks } = gatewayTrafficCategory(probe, targets);
    const perLink = checks.filter((check) => check.hint.includes('gateway'));
    const options = { waitMs: 0, retryMs: 1, signal: new AbortController().signal };
    return failures(await runChecks([{ name: 'x', checks: perLink }], options));
  };
  assert.deepEqual(await outcome('gateway.west'), []);
  assert.match((await outcome('mallory')).join(), /the other end was mallory, not gateway\.west/);
});
