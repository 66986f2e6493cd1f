import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Link, LinkSpec } from '@mesh/kube';
import { parseGoDuration, parseLink } from './link-plan.ts';

function link(spec: LinkSpec): Link {
  return { metadata: { name: 'west', namespace: 'mc' }, spec: { targetClusterName: 'west', ...spec } };
}

test('a Link as the CLI writes it is understood whole', () => {
  const { plan, problems } = parseLink(
    link({
      gatewayAddress: '192.0.2.1, gw.example.com',
      gatewayPort: '4143',
      gatewayIdentity: 'gw.mc.serviceaccount.identity.linkerd.cluster.local',
      probeSpec: { path: '/ready', port: '4191', period: '3s', timeout: '30s', failureThreshold: '3' },
      selector: { matchLabels: { 'mirror.linkerd.io/exported': 'true' } },
    }),
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(plan?.gateway?.hosts, ['192.0.2.1', 'gw.example.com']);
  assert.deepEqual(plan?.probe, { path: '/ready', port: 4191, periodMs: 3000, timeoutMs: 30_000, failureThreshold: 3 });
  assert.equal(plan?.secretName, 'cluster-credentials-west');
  assert.equal(plan?.domain, 'cluster.local');
});

test('absent and empty selectors select nothing', () => {
  const { plan } = parseLink(link({ selector: { matchLabels: {} } }));
  assert.equal(plan?.selector, undefined);
  assert.equal(plan?.federatedSelector, undefined);
});

test('a Link without gateway is usable, and its gateway absent', () => {
  const { plan, problems } = parseLink(link({}));
  assert.deepEqual(problems, []);
  assert.equal(plan?.gateway, undefined);
});

test('every wrong field is named with its value', () => {
  const { plan, problems } = parseLink(
    link({
      gatewayAddress: 'not_a_host!',
      gatewayPort: '99999',
      gatewayIdentity: '',
      probeSpec: { path: '/', port: 'x', period: 'often', failureThreshold: '0' },
    }),
  );
  assert.equal(plan?.gateway, undefined);
  for (const expected of ['"not_a_host!"', '"99999"', 'spec.gatewayIdentity ""']) {
    assert.ok(
      problems.some((problem) => problem.includes(expected)),
      expected,
    );
  }
});

test('a cluster name that cannot be part of a Service name leaves nothing to work with', () => {
  const { plan, problems } = parseLink(link({ targetClusterName: 'West Coast' }));
  assert.equal(plan, undefined);
  assert.match(problems[0] ?? '', /"West Coast" is not a DNS label/);
});

test('durations are Go durations, and bare integers are seconds', () => {
  assert.equal(parseGoDuration('3'), 3000);
  assert.equal(parseGoDuration('1m30s'), 90_000);
  assert.equal(parseGoDuration('1.5s'), 1500);
  assert.equal(parseGoDuration('250ms'), 250);
  assert.equal(parseGoDuration('3 s'), undefined);
  assert.equal(parseGoDuration(''), undefined);
});

test('zones of the gateway are an annotation of the Link, and one that is wrong leaves the rest usable', () => {
  const spec = {
    gatewayAddress: '192.0.2.1, gw.example.com',
    gatewayPort: '4143',
    gatewayIdentity: 'gw.mc.serviceaccount.identity.linkerd.cluster.local',
  };
  const base = link(spec);
  const annotations = { 'federation.mesh.dev/gateway-zones': 'gw.example.com=b,192.0.2.7=a' };
  const { plan, problems } = parseLink({ ...base, metadata: { ...base.metadata, annotations } });
  assert.deepEqual(plan?.gateway?.zones, [['gw.example.com', 'b']]);
  assert.deepEqual(plan?.gateway?.hosts, ['192.0.2.1', 'gw.example.com']);
  assert.equal(problems.length, 1);
  assert.match(problems[0] ?? '', /^annotation federation\.mesh\.dev\/gateway-zones: "192\.0\.2\.7" is not among/);
  assert.deepEqual(parseLink(base).plan?.gateway?.zones, []);
});
