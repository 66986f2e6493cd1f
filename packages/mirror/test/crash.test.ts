/** A mirror that dies after any of its writes is replaced by one that comes to the same end. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ENDPOINT_SLICES, LINKS, NAMESPACES, SERVICES } from '@mesh/kube';
import { eventually } from '@mesh/kube/testing';
import { crashAfterEachWrite, stateOf } from '../src/testing/crash-injection.ts';
import { exportService, FEDERATED, Harness, LINK_NAMESPACE, linkObject } from '../src/testing/harness.ts';
import { WAYS } from '../src/testing/peer-exporters.ts';
import type { PeerExporter, TestPod } from '../src/testing/peer-exporters.ts';

const [LABELS, VIEW] = WAYS as readonly [PeerExporter, PeerExporter];
const POD: readonly TestPod[] = [{ name: 'web-a', ip: '10.1.0.1' }];
const NAMED: readonly TestPod[] = ['db-0', 'db-1'].map((name, index) => ({
  name,
  hostname: name,
  ip: `10.1.0.${index + 5}`,
}));

interface Scenario {
  readonly name: string;
  readonly prepare: (harness: Harness) => void;
  readonly act?: (harness: Harness) => Promise<void>;
  readonly options?: Parameters<Harness['start']>[0];
}

/** Mirrors, slices and what Links say of each Service; cluster IPs by whose they are, since their order is chance. */
function endState(harness: Harness): unknown {
  const links = harness.home.peekAll(LINKS).map(({ metadata, status }) => ({
    name: metadata.name,
    finalizers: metadata.finalizers,
    items: [status?.mirrorServices, status?.federatedServices].map((list) =>
      (list ?? []).map(({ remoteRef, conditions }) => [
        remoteRef.name,
        conditions.map(({ type, status: is, reason, message }) => [type, is, reason, message]),
      ]),
    ),
  }));
  let text = JSON.stringify({ links, objects: stateOf(harness.home, [SERVICES, ENDPOINT_SLICES, NAMESPACES]) });
  for (const { metadata, spec } of harness.home.peekAll(SERVICES)) {
    if (spec?.clusterIP?.startsWith('10.96.') === true)
      text = text.replaceAll(`"${spec.clusterIP}"`, `"address of ${metadata.name}"`);
  }
  return JSON.parse(text);
}

const gone = (harness: Harness): Promise<unknown> =>
  eventually('Link gone', () => harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`) === undefined);

const SCENARIOS: readonly Scenario[] = [
  {
    name: 'a mirror behind a gateway, changed and taken back',
    prepare: (harness) => exportService(harness.link('west'), 'catalog'),
    act: async (harness) => {
      const west = harness.peer('west');
      await eventually('mirror', () => harness.slice('shop/catalog-west'));
      exportService(west, 'catalog', { ports: [{ name: 'http', port: 81, protocol: 'TCP' }] });
      await eventually('changed', () => harness.service('shop/catalog-west')?.spec?.ports?.[0]?.port === 81);
      exportService(west, 'cart', { ready: 0 });
      exportService(west, 'catalog', { labels: {} });
    },
  },
  {
    name: 'a gateway that dies and comes back',
    prepare: (harness) => exportService(harness.link('west', { gatewayAddress: '192.0.2.1,192.0.2.2' }), 'catalog'),
    act: async (harness) => {
      await eventually('alive', () => harness.ready('shop/catalog-west')['192.0.2.2'] === true);
      harness.gateways.set('192.0.2.2', 'refused');
      await eventually('dead', () => harness.ready('shop/catalog-west')['192.0.2.2'] === false);
      harness.gateways.set('192.0.2.1', 'refused');
      harness.gateways.set('192.0.2.2', undefined);
      await eventually('the other way round', () => {
        const ready = harness.ready('shop/catalog-west');
        return ready['192.0.2.1'] === false && ready['192.0.2.2'] === true;
      });
    },
  },
  {
    name: 'a mirror that somebody deletes, and one that somebody edits',
    prepare: (harness) => {
      const west = harness.link('west');
      for (const name of ['catalog', 'cart']) exportService(west, name);
    },
    act: async (harness) => {
      const cart = await eventually(
        'mirrors',
        () => harness.slice('shop/catalog-west') && harness.service('shop/cart-west'),
      );
      harness.home.remove(SERVICES, 'shop/catalog-west');
      harness.home.seed(SERVICES, { ...cart, spec: { ...cart.spec, ports: [{ port: 1 }] } });
    },
  },
  {
    name: 'a flat mirror whose pods change, read through Services',
    prepare: (harness) => LABELS.put(harness.link('west'), { name: 'web', mode: 'flat', pods: POD }),
    act: async (harness) => {
      await eventually('mirror', () => harness.service('shop/web-west'));
      LABELS.put(harness.peer('west'), {
        name: 'web',
        mode: 'flat',
        pods: [...POD, { name: 'x', ip: '10.1.0.2', meshed: false }],
      });
    },
  },
  {
    name: 'a flat mirror that becomes one behind the gateway, read through the view',
    prepare: (harness) =>
      VIEW.put(harness.link('west', {}, VIEW.annotations), { name: 'web', mode: 'flat', pods: POD }),
    act: async (harness) => {
      await eventually('mirror', () => harness.service('shop/web-west'));
      VIEW.put(harness.peer('west'), { name: 'web', mode: 'gateway', pods: POD });
    },
  },
  {
    name: 'a StatefulSet behind a gateway, scaled down',
    prepare: (harness) =>
      LABELS.put(harness.link('west'), { name: 'db', mode: 'gateway', headless: true, pods: NAMED }),
    act: async (harness) => {
      await eventually('mirrors', () => harness.service('shop/db-west') && harness.service('shop/db-1-west'));
      LABELS.put(harness.peer('west'), { name: 'db', mode: 'gateway', headless: true, pods: NAMED.slice(0, 1) });
    },
  },
  {
    name: 'a mirror that becomes headless',
    prepare: (harness) => LABELS.put(harness.link('west'), { name: 'db', mode: 'gateway', pods: POD }),
    act: async (harness) => {
      await eventually('mirror', () => harness.service('shop/db-west'));
      LABELS.put(harness.peer('west'), { name: 'db', mode: 'gateway', headless: true, pods: NAMED.slice(0, 1) });
    },
  },
  {
    name: 'a federated Service whose members come, differ and leave',
    prepare: (harness) => {
      exportService(harness.link('west'), 'catalog', { labels: FEDERATED });
      exportService(harness.link('north', { gatewayAddress: '192.0.2.9' }), 'catalog', {
        labels: { ...FEDERATED, team: 'n' },
      });
      exportService(harness.home, 'catalog', { labels: FEDERATED });
    },
    act: async (harness) => {
      const federated = 'shop/catalog-federated';
      await eventually('members', () => harness.slice(`${federated}-west`) && harness.slice(`${federated}-north`));
      exportService(harness.peer('west'), 'catalog', { labels: {} });
      exportService(harness.home, 'catalog', { labels: {} });
    },
  },
  {
    name: 'a headless federated Service with pods of this cluster',
    prepare: (harness) => {
      const flat = { 'federation.mesh.dev/path': 'flat' };
      LABELS.put(harness.link('west', {}, flat), { name: 'db', mode: 'federated', headless: true, pods: NAMED });
      LABELS.put(harness.home, {
        name: 'db',
        mode: 'federated',
        headless: true,
        pods: [{ name: 'l', hostname: 'l', ip: '10.9.0.1' }],
      });
    },
  },
  {
    name: 'a Link that is deleted while its peer is gone',
    prepare: (harness) => {
      const west = harness.link('west');
      LABELS.put(west, { name: 'db', mode: 'gateway', headless: true, pods: NAMED.slice(0, 1) });
      LABELS.put(west, { name: 'web', mode: 'federated', pods: POD });
    },
    act: async (harness) => {
      await eventually('mirrors', () => harness.service('shop/db-west') && harness.service('shop/web-federated'));
      await eventually(
        'held',
        () => harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)?.metadata.finalizers?.length === 1,
      );
      harness.peer('west').goDown();
      harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
      await gone(harness);
    },
  },
  {
    name: 'a Link whose cluster gets another name',
    prepare: (harness) => exportService(harness.link('west'), 'catalog'),
    act: async (harness) => {
      await eventually('mirror', () => harness.slice('shop/catalog-west'));
      const link = harness.home.peek(LINKS, `${LINK_NAMESPACE}/west`)!;
      harness.home.seed(LINKS, { ...link, spec: { ...link.spec, targetClusterName: 'occident' } });
      await eventually('renamed', () => harness.slice('shop/catalog-occident'));
    },
  },
  {
    name: 'a namespace that is made, and one that is not',
    prepare: (harness) => exportService(harness.link('west'), 'catalog', { namespace: 'new' }),
    options: { enableNamespaceCreation: true },
  },
  {
    name: 'a foreign Service of the name that goes',
    prepare: (harness) => {
      exportService(harness.link('west'), 'catalog');
      harness.home.seed(SERVICES, {
        metadata: { name: 'catalog-west', namespace: 'shop' },
        spec: { ports: [{ port: 7 }] },
      });
    },
    act: async (harness) => {
      await harness.item('west', 'catalog', 'NameConflict');
      harness.home.remove(SERVICES, 'shop/catalog-west');
    },
  },
  {
    name: 'two Links to one cluster of which one goes',
    prepare: (harness) => {
      exportService(harness.link('west'), 'catalog');
      const twin = linkObject('west');
      harness.home.seed(LINKS, { ...twin, metadata: { ...twin.metadata, name: 'west-twin' } });
    },
    act: async (harness) => {
      await eventually('mirror', () => harness.slice('shop/catalog-west'));
      await eventually('held', () =>
        harness.home.peekAll(LINKS).every(({ metadata }) => metadata.finalizers?.length === 1),
      );
      harness.home.remove(LINKS, `${LINK_NAMESPACE}/west`);
      await gone(harness);
    },
  },
];

describe('after a crash at any write everything ends as without', { concurrency: 8 }, () => {
  for (const { name, prepare, act, options } of SCENARIOS) {
    test(name, async () => {
      const crashes = await crashAfterEachWrite<Harness>({
        world: () => {
          const harness = new Harness();
          prepare(harness);
          return harness;
        },
        api: (harness) => harness.home,
        start: (harness, client) => harness.start(options, client),
        ...(act === undefined ? {} : { act }),
        state: endState,
      });
      assert.ok(crashes >= 3, `${crashes} crashes`);
    });
  }
});
