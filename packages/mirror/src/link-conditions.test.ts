import assert from 'node:assert/strict';
import { test } from 'node:test';
import { findingsOf } from './link-conditions.ts';
import type { LinkFacts } from './link-conditions.ts';

const FACTS: LinkFacts = {
  problems: [],
  credentials: { ok: false, reason: 'Pending', message: 'the credentials were not read yet' },
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
  assert.deepEqual(credentialsOf({ credentials: { ok: true }, remote }), ['Unknown', 'Pending']);
  assert.deepEqual(credentialsOf({ credentials: { ok: true }, remote: { ...remote, answered: true } }), [
    'True',
    'Accepted',
  ]);
});
