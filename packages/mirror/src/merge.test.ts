import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Service } from '@mesh/kube';
import { mergeService } from './merge.ts';

const desired: Service = {
  metadata: {
    name: 'a-west',
    namespace: 'n',
    labels: { app: 'a' },
    annotations: { 'mirror.linkerd.io/remote-resource-version': '2' },
  },
  spec: { ports: [{ port: 80, protocol: 'TCP', targetPort: 80 }] },
};

function live(change: Partial<Service['spec']> = {}, labels: Record<string, string> = { app: 'a' }): Service {
  return {
    metadata: {
      name: 'a-west',
      namespace: 'n',
      uid: 'u',
      resourceVersion: '7',
      labels,
      annotations: { 'mirror.linkerd.io/remote-resource-version': '1' },
    },
    spec: { clusterIP: '10.0.0.1', ports: [{ port: 80 }], ...change },
  };
}

test("defaults that the API fills in, and the peer's version alone, are no difference", () => {
  assert.equal(mergeService(desired, live()), undefined);
});

test('what others decide stays: cluster IP, node ports, tool labels', () => {
  const merged = mergeService(
    desired,
    live({ ports: [{ port: 80, nodePort: 30_000 }, { port: 81 }] }, { app: 'b', 'argocd.argoproj.io/x': 'y' }),
  );
  assert.equal(merged?.spec?.clusterIP, '10.0.0.1');
  assert.deepEqual(merged?.spec?.ports, [{ port: 80, protocol: 'TCP', targetPort: 80, nodePort: 30_000 }]);
  assert.deepEqual(merged?.metadata.labels, { app: 'a', 'argocd.argoproj.io/x': 'y' });
  assert.equal(merged?.metadata.resourceVersion, '7');
});

test('a selector would send traffic to local pods, so it goes', () => {
  const merged = mergeService(desired, live({ selector: { app: 'x' } }));
  assert.equal(merged?.spec?.selector, undefined);
});
