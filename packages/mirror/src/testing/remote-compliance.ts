/** What every way of reading a peer must do alike. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isKubeError } from '@mesh/kube';
import { eventually, FakeApi } from '@mesh/kube/testing';
import { silentLogger, systemClock } from '@mesh/runtime';
import { followExports } from '../follow-exports.ts';
import { parseLink } from '../link-plan.ts';
import type { ExportMode, RemoteCluster, RemoteService } from '../remote-cluster.ts';
import { linkObject } from './harness.ts';
import { podIdentity } from './peer-exporters.ts';
import type { PeerExporter } from './peer-exporters.ts';

const KEY = 'shop/db';
const PODS = [
  { name: 'db-0', ip: '10.1.0.1', hostname: 'db-0', zone: 'a', account: 'db', opaquePorts: '5432' },
  { name: 'db-1', ip: '10.1.0.2', hostname: 'db-1', ready: false, account: 'db', opaquePorts: '5432' },
];

interface Followed extends AsyncDisposable {
  readonly api: FakeApi;
  readonly remote: RemoteCluster;
  readonly heard: (readonly [ExportMode, string])[];
}

export function remoteCompliance(way: PeerExporter): void {
  const scenario = (name: string, run: (followed: Followed) => Promise<void>): void => {
    test(`${way.title}: ${name}`, async () => {
      await using followed = follow(way);
      await run(followed);
    });
  };
  const known = (remote: RemoteCluster, mode: ExportMode, key = KEY): Promise<RemoteService> =>
    eventually(`${mode} ${key}`, () => {
      const found = remote.get(mode, key);
      return found?.isKnown === true ? found : undefined;
    });

  scenario(
    'only what the Link selects is there, in the mode that it is exported in',
    async ({ api, remote, heard }) => {
      way.put(api, { name: 'db', mode: 'flat', pods: PODS });
      way.put(api, { name: 'hidden', mode: 'gateway', labels: { 'mirror.linkerd.io/exported': 'no' }, pods: [] });
      await eventually('synced', () => remote.synced && remote.answered);
      const { service, hasReady } = await known(remote, 'flat');
      assert.equal(service.metadata.labels?.['mirror.linkerd.io/exported'], 'remote-discovery');
      assert.deepEqual(service.spec?.ports, [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }]);
      assert.equal(hasReady, true);
      assert.deepEqual(remote.keys('flat'), [KEY]);
      assert.equal(remote.count('flat'), 1);
      for (const mode of ['gateway', 'federated', 'mcs'] as const) {
        assert.equal(remote.get(mode, KEY), undefined);
        assert.deepEqual(remote.keys(mode), []);
      }
      assert.equal(remote.get('gateway', 'shop/hidden'), undefined);
      assert.ok(heard.some(([mode, key]) => mode === 'flat' && key === KEY));
    },
  );

  scenario('addresses come with who is behind them', async ({ api, remote }) => {
    way.put(api, {
      name: 'db',
      mode: 'flat',
      headless: true,
      pods: [...PODS, { name: 'x', ip: '10.1.0.3', meshed: false }],
    });
    const { service, endpoints } = await known(remote, 'flat');
    assert.equal(service.spec?.clusterIP, 'None');
    const [group] = endpoints;
    assert.equal(endpoints.length, 1);
    assert.deepEqual(group?.ports, [{ name: 'http', port: 8080, protocol: 'TCP' }]);
    const meshed = { identity: podIdentity('db'), inboundPort: 4143, opaquePorts: '5432' };
    assert.deepEqual(group?.endpoints, [
      { addresses: ['10.1.0.1'], ready: true, hostname: 'db-0', zone: 'a', podName: 'db-0', ...meshed },
      { addresses: ['10.1.0.2'], ready: false, hostname: 'db-1', podName: 'db-1', ...meshed },
      { addresses: ['10.1.0.3'], ready: true, podName: 'x' },
    ]);
  });

  scenario('behind a gateway only readiness counts', async ({ api, remote, heard }) => {
    way.put(api, { name: 'db', mode: 'gateway', pods: PODS.map(({ name, ip }) => ({ name, ip })) });
    const before = await known(remote, 'gateway');
    assert.equal(before.hasReady, true);
    assert.ok(before.endpoints.every(({ endpoints }) => endpoints.length === 0));
    heard.length = 0;
    way.put(api, { name: 'db', mode: 'gateway', pods: PODS.map(({ name, ip }) => ({ name, ip, ready: false })) });
    await eventually('not ready', () => remote.get('gateway', KEY)?.hasReady === false);
    await eventually('announced', () => heard.some(([mode, key]) => mode === 'gateway' && key === KEY));
  });

  scenario('pods with names are there behind a gateway too', async ({ api, remote }) => {
    way.put(api, { name: 'db', mode: 'gateway', headless: true, pods: PODS });
    const { endpoints } = await known(remote, 'gateway');
    assert.deepEqual(
      endpoints.flatMap((group) => group.endpoints.map(({ hostname, ready }) => [hostname, ready])),
      [
        ['db-0', true],
        ['db-1', false],
      ],
    );
  });

  scenario('changes of pods, of the mode and the end are heard', async ({ api, remote, heard }) => {
    way.put(api, { name: 'db', mode: 'federated', pods: PODS });
    await known(remote, 'federated');
    heard.length = 0;
    way.put(api, { name: 'db', mode: 'federated', pods: PODS.slice(0, 1) });
    const count = (): number | undefined => remote.get('federated', KEY)?.endpoints[0]?.endpoints.length;
    await eventually('one is left', () => count() === 1 && heard.some(([mode]) => mode === 'federated'));
    heard.length = 0;
    way.put(api, { name: 'db', mode: 'flat', pods: PODS });
    await eventually('flat', () => remote.get('flat', KEY) !== undefined);
    await eventually('no member any more', () => remote.get('federated', KEY) === undefined);
    await eventually('both are announced', () => new Set(heard.map(([mode]) => mode)).size === 2);
    heard.length = 0;
    way.remove(api, 'db');
    await eventually('gone', () => remote.get('flat', KEY) === undefined && heard.length > 0);
  });

  scenario('a peer that is away is named, its exports stay, and what is known ages', async ({ api, remote }) => {
    way.put(api, { name: 'db', mode: 'flat', pods: PODS });
    await known(remote, 'flat');
    await eventually('answered', () => remote.answered);
    assert.equal(remote.error, undefined);
    api.goDown();
    await eventually('error', () => isKubeError(remote.error, 'unreachable') && remote.stalenessMs > 0);
    assert.equal(remote.synced, true);
    assert.equal(remote.get('flat', KEY)?.endpoints[0]?.endpoints.length, 2);
    api.comeBack();
    await eventually('healed', () => remote.error === undefined && remote.stalenessMs === 0);
  });

  scenario('refused rights are told', async ({ api, remote }) => {
    api.fault({ code: 'forbidden', status: 403, match: ({ verb }) => verb === 'list' || verb === 'watch' });
    await eventually('error', () => isKubeError(remote.error, 'forbidden'));
    assert.equal(remote.synced, false);
  });
}

function follow(way: PeerExporter): Followed {
  const api = new FakeApi();
  const { plan } = parseLink(linkObject('west', {}, way.annotations));
  assert.ok(plan);
  const heard: (readonly [ExportMode, string])[] = [];
  const remote = followExports(
    plan,
    { client: api.client(), clock: systemClock, logger: silentLogger },
    { onService: (mode, key) => heard.push([mode, key]), onStatus: () => undefined },
  );
  remote.run();
  return { api, remote, heard, [Symbol.asyncDispose]: () => remote[Symbol.asyncDispose]() };
}
