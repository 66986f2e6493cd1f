import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConfigError } from '@mesh/runtime';
import { parseGatewayConfig } from './config.ts';

const GOOD = {
  _pod_ns: 'linkerd-multicluster',
  _pod_sa: 'linkerd-gateway',
  MESH_IDENTITY_ADDRESS: 'linkerd-identity-headless.linkerd.svc.cluster.local.:8080',
  MESH_DESTINATION_ADDRESS: 'linkerd-dst-headless.linkerd.svc.cluster.local.:8086',
};

test('what the install prints is enough', () => {
  const config = parseGatewayConfig(GOOD);
  assert.equal(
    config.identityName,
    'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local',
  );
  assert.equal(config.identity.name, 'linkerd-identity.linkerd.serviceaccount.identity.linkerd.cluster.local');
  assert.equal(config.port, 4143);
  assert.equal(config.policy, undefined);
});

test('every problem is told at once', () => {
  assert.throws(
    () =>
      parseGatewayConfig({
        ...GOOD,
        MESH_DESTINATION_ADDRESS: 'nowhere',
        MESH_GATEWAY_PORT: 'many',
        MESH_LOG_LEVEL: 'loud',
      }),
    (error) => {
      assert.ok(error instanceof ConfigError);
      assert.equal(error.info.problems.length, 3);
      return true;
    },
  );
});
