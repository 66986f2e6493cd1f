import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Authorization } from '@mesh/model';
import { ALL_NETWORKS, allUnauthenticated, meshTls, ref } from '../testing/fakes.ts';
import { authorize } from './authorize.ts';
import type { Client } from './authorize.ts';

const WEB = 'web.ns.serviceaccount.identity.linkerd.cluster.local';
const stranger: Client = { ip: '10.0.0.9', tls: false, identity: undefined, labels: {} };
const anonymousTls: Client = { ...stranger, tls: true };
const web: Client = { ...anonymousTls, identity: WEB };
const spiffe: Client = { ...anonymousTls, identity: 'spiffe://td/ns/web' };

const from = (...ips: readonly string[]): Authorization => ({
  ...allUnauthenticated,
  networks: [{ contains: (ip) => ips.includes(ip) }],
});

test('an empty list denies everyone but the workload itself', () => {
  assert.equal(authorize(web, []), undefined);
  assert.equal(authorize({ ...stranger, ip: '127.0.0.1' }, [])?.ref.name, 'localhost');
  assert.equal(authorize({ ...stranger, ip: '::1' }, [])?.ref.name, 'localhost');
  assert.equal(authorize({ ...web, ip: '127.0.0.1' }, []), undefined, 'who shows an identity is judged by it');
});

test('networks and authentication must both fit, and the first that fits is told', () => {
  const second = { ...allUnauthenticated, ref: ref('default', 'second') };
  assert.equal(authorize(stranger, [from('10.0.0.8')]), undefined);
  assert.equal(authorize(stranger, [from('10.0.0.8'), second])?.ref.name, 'second');
  assert.equal(authorize(stranger, [], [second])?.ref.name, 'second', 'a route adds to its server');
});

test('identities match exactly, by suffix, or by the empty suffix; URIs never by suffix', () => {
  const named = meshTls([WEB]);
  const suffix = meshTls([], ['ns.serviceaccount.identity.linkerd.cluster.local']);
  const any = meshTls([], ['']);
  for (const one of [named, suffix, any]) {
    assert.equal(authorize(web, [one]), one);
    assert.equal(authorize(anonymousTls, [one]), undefined);
    assert.equal(authorize(stranger, [one]), undefined);
  }
  assert.equal(authorize(spiffe, [meshTls(['spiffe://td/ns/web'])])?.ref.name, 'mesh');
  assert.equal(authorize(spiffe, [meshTls([], ['web'])]), undefined);
  assert.equal(authorize(spiffe, [any]), any);
  assert.equal(authorize({ ...web, identity: `x${WEB}` }, [meshTls([], [WEB])]), undefined, 'a suffix begins at a dot');
});

test('TLS without identity is its own kind', () => {
  const tls: Authorization = {
    ref: ref('default', 'tls'),
    networks: ALL_NETWORKS,
    authentication: { kind: 'tls_unauthenticated' },
  };
  assert.equal(authorize(anonymousTls, [tls]), tls);
  assert.equal(authorize(stranger, [tls]), undefined);
});
