import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf } from './link-conditions.ts';
import type { Finding, LinkFacts } from './link-facts.ts';

const FACTS: LinkFacts = {
  problems: [],
  credentials: { ok: false, reason: 'Pending', message: 'the credentials were not read yet' },
  renewal: undefined,
  exporter: undefined,
  exports: undefined,
  gatewayAddresses: [],
  hasGateway: false,
  wantsGateway: false,
  isProbed: false,
  addressProblems: [],
  addressCount: 0,
  gatewayAlive: undefined,
  probeFailure: undefined,
  gatewayIdentity: '',
  remote: undefined,
  cluster: 'west',
};

function credentialsOf(facts: Partial<LinkFacts>): readonly (string | undefined)[] {
  const summary = { mirrored: 0, failed: 0, firstFailure: undefined };
  const found = findingsOf({ ...FACTS, ...facts }, summary).find(({ type }) => type === 'CredentialsValid');
  return [found?.status, found?.reason];
}

test('before the first look the credentials are neither good nor bad', () => {
  assert.deepEqual(credentialsOf({}), ['Unknown', 'Pending']);
  assert.deepEqual(credentialsOf({ credentials: { ok: false, reason: 'MissingSecret', message: 'gone' } }), [
    'False',
    'MissingSecret',
  ]);
});

test('credentials that were read but not tried are unknown, and good once the peer has answered', () => {
  const remote = { synced: false, answered: false, error: undefined, stalenessMs: 0 };
  const credentials = { ok: true, token: undefined } as const;
  assert.deepEqual(credentialsOf({ credentials, remote }), ['Unknown', 'Pending']);
  assert.deepEqual(credentialsOf({ credentials, remote: { ...remote, answered: true } }), ['True', 'Accepted']);
});

const NOBODY = { mirrored: 0, failed: 0, firstFailure: undefined };
const ANSWERED = { synced: true, answered: true, error: undefined, stalenessMs: 0 };

function findingOf(type: string, facts: Partial<LinkFacts>): Finding {
  const found = findingsOf({ ...FACTS, ...facts }, NOBODY).find((each) => each.type === type);
  assert.ok(found !== undefined);
  return found;
}

test('good credentials say how long they last, and whether that is prolonged', () => {
  const token = (expiresMs: number | undefined): Partial<LinkFacts> => ({
    credentials: { ok: true, token: { expiresMs } },
    remote: ANSWERED,
  });
  const expiring = token(Date.UTC(2026, 0, 2));
  assert.match(
    findingOf('CredentialsValid', token(undefined)).message,
    /does not expire.*without --static-credentials/,
  );
  assert.match(findingOf('CredentialsValid', expiring).message, /until 2026-01-02T00:00:00Z/);
  const renewed = findingOf('CredentialsValid', { ...expiring, renewal: { atMs: Date.UTC(2026, 0, 1) } });
  assert.match(renewed.message, /renewed at 2026-01-01T00:00:00Z/);
  const failing = findingOf('CredentialsValid', { ...expiring, renewal: { problem: 'away' } });
  assert.deepEqual([failing.status, failing.reason], ['True', 'RenewalFailing']);
  assert.match(failing.message, /until 2026-01-02T00:00:00Z, but renewing them fails: away/);
});

test('the state of a gateway lists each of its addresses', () => {
  const found = findingOf('GatewayAlive', {
    hasGateway: true,
    isProbed: true,
    addressCount: 5,
    gatewayAlive: true,
    gatewayAddresses: [
      { ip: '192.0.2.1', alive: true, failure: undefined },
      { ip: '192.0.2.2', alive: false, failure: 'connection refused' },
      { ip: '192.0.2.3', alive: undefined, failure: undefined },
      { ip: '192.0.2.4', zone: 'b', alive: true, failure: undefined },
      { ip: '192.0.2.5', zone: 'c', alive: false, failure: 'timeout' },
    ],
  });
  assert.equal(found.status, 'True');
  assert.match(
    found.message,
    /192\.0\.2\.1, 192\.0\.2\.2 \(not alive: connection refused\), 192\.0\.2\.3 \(not known yet\), 192\.0\.2\.4 \(in zone b\), 192\.0\.2\.5 \(in zone c; not alive: timeout\)/,
  );
});
