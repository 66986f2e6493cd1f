import assert from 'node:assert/strict';
import { test } from 'node:test';

import { formatCidr } from '@mesh/model';
import { ConfigError } from '@mesh/runtime';

import {
  parseCompoundDurationMs,
  parseDestinationConfig,
  parseIdentityConfig,
  parseInjectorConfig,
  parsePolicyConfig,
} from './config.ts';

test('an empty environment gives Linkerd’s ports, paths and names', () => {
  const identity = parseIdentityConfig({});
  assert.deepEqual([identity.grpc.port, identity.admin.port, identity.plaintext], [8080, 9990, false]);
  assert.equal(identity.issuerDir, '/var/run/linkerd/identity/issuer');
  assert.deepEqual([identity.lifetimeMs, identity.skewMs], [86_400_000, 20_000]);
  const destination = parseDestinationConfig({});
  assert.deepEqual([destination.grpc.port, destination.admin.port], [8086, 9996]);
  assert.equal(
    destination.identity.ownName,
    'linkerd-destination.linkerd.serviceaccount.identity.linkerd.cluster.local',
  );
  assert.equal(destination.identity.identityAddress, 'linkerd-identity-headless.linkerd.svc.cluster.local.:8080');
  assert.equal(destination.endpoints.enableH2Upgrade, false);
  const policy = parsePolicyConfig({});
  assert.deepEqual([policy.grpc.port, policy.admin.port], [8090, 9990]);
  assert.equal(policy.policy.clusterNetworks.length, 5);
  assert.equal(parseInjectorConfig({}).webhook.port, 8443);
});

test('what the environment says counts, an empty list included', () => {
  const { policy, trustDomain } = parsePolicyConfig({
    MESH_CLUSTER_DOMAIN: 'west.local',
    MESH_CLUSTER_NETWORKS: '127.0.0.0/8, fd00::/8',
    MESH_DEFAULT_OPAQUE_PORTS: '',
    MESH_DEFAULT_INBOUND_POLICY: 'deny',
  });
  assert.equal(trustDomain, 'west.local');
  assert.deepEqual(policy.clusterNetworks.map(formatCidr), ['127.0.0.0/8', 'fd00::/8']);
  assert.ok(policy.defaultOpaquePorts.isEmpty);
  assert.equal(policy.defaultPolicy, 'deny');
});

test('every problem is reported at once, with key and value', () => {
  const bad = {
    MESH_LOG_LEVEL: 'loud',
    MESH_CLUSTER_NETWORKS: '10.0.0.0/99',
    MESH_DEFAULT_OPAQUE_PORTS: '1,x',
    MESH_GRPC_ADDRESS: 'here',
    MESH_DEFAULT_INBOUND_POLICY: 'maybe',
  };
  assert.throws(
    () => parsePolicyConfig(bad),
    (error: unknown) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.info.problems.length, 5);
      for (const key of Object.keys(bad)) assert.match(error.message, new RegExp(key));
      return true;
    },
  );
});

test('durations may be Go’s compounds', () => {
  assert.equal(parseCompoundDurationMs('24h0m0s'), 86_400_000);
  assert.equal(parseCompoundDurationMs('1m30s'), 90_000);
  assert.equal(parseCompoundDurationMs('0'), 0);
  for (const bad of ['', '1.5h', '1', 'h', '1h x', '-1s']) assert.equal(parseCompoundDurationMs(bad), undefined, bad);
});
