import assert from 'node:assert/strict';
import { test } from 'node:test';
import { copiedAnnotations, copiedLabels } from './copy-rules.ts';

test('labels of the application travel, labels by which tools track do not', () => {
  const labels = {
    app: 'web',
    'app.kubernetes.io/name': 'web',
    'team.example.com/owner': 'x',
    'mirror.linkerd.io/exported': 'true',
    'argocd.argoproj.io/instance': 'a',
    'app.kubernetes.io/instance': 'a',
    'app.kubernetes.io/managed-by': 'Helm',
    'helm.sh/chart': 'c',
    'kustomize.toolkit.fluxcd.io/name': 'f',
    'topology.kubernetes.io/zone': 'z',
    heritage: 'Helm',
  };
  assert.deepEqual(copiedLabels(labels, []), {
    app: 'web',
    'app.kubernetes.io/name': 'web',
    'team.example.com/owner': 'x',
  });
});

test('only annotations of the mesh travel', () => {
  const annotations = {
    'config.linkerd.io/opaque-ports': '3306',
    'retry.linkerd.io/http': '5xx',
    'timeout.linkerd.io/request': '1s',
    'balancer.linkerd.io/failure-accrual': 'consecutive',
    'kubectl.kubernetes.io/last-applied-configuration': '{}',
    'external-dns.alpha.kubernetes.io/hostname': 'x',
    note: 'x',
  };
  assert.deepEqual(Object.keys(copiedAnnotations(annotations, [])), [
    'config.linkerd.io/opaque-ports',
    'retry.linkerd.io/http',
    'timeout.linkerd.io/request',
    'balancer.linkerd.io/failure-accrual',
  ]);
});

test('a Link can exclude keys and prefixes, but not opaque ports', () => {
  assert.deepEqual(copiedLabels({ a: '1', 'x.y/z': '2', 'x.y/w': '3' }, ['a', 'x.y/*']), {});
  const annotations = { 'config.linkerd.io/opaque-ports': '1', 'config.linkerd.io/skip-inbound-ports': '2' };
  assert.deepEqual(copiedAnnotations(annotations, ['config.linkerd.io/*']), { 'config.linkerd.io/opaque-ports': '1' });
});
