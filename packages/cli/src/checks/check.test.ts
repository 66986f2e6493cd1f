import assert from 'node:assert/strict';
import test from 'node:test';
import { CONFIG_MAPS, NODES, PODS, SERVICES } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { mesh } from '../testing/harness.ts';
import { passed, runChecks, SkipCheck } from './check.ts';
import type { Check, RunOptions } from './check.ts';
import { clusterNetworkChecks } from './cluster-networks.ts';
import { waitMs } from './command.ts';
import { shortText } from './report.ts';
import { CheckState } from './state.ts';

const OPTIONS: RunOptions = { waitMs: 1000, retryMs: 1, signal: new AbortController().signal };

function check(description: string, run: Check['run'], more: Partial<Check> = {}): Check {
  return { description, hint: 'anchor', run, ...more };
}

const fail = () => Promise.reject(new Error('it is broken'));
const pass = () => Promise.resolve();

test('a fatal failure ends the run, other failures do not', async () => {
  const ran: string[] = [];
  const note = (name: string, result: () => Promise<void>) => () => {
    ran.push(name);
    return result();
  };
  const outcomes = await runChecks(
    [
      {
        name: 'one',
        checks: [
          check('a', note('a', fail)),
          check('b', note('b', fail), { fatal: true }),
          check('c', note('c', pass)),
        ],
      },
      { name: 'two', checks: [check('d', note('d', pass))] },
    ],
    OPTIONS,
  );
  assert.deepEqual(ran, ['a', 'b']);
  assert.equal(passed(outcomes), false);
});

test('warnings do not fail the run', async () => {
  const outcomes = await runChecks([{ name: 'one', checks: [check('a', fail, { warning: true })] }], OPTIONS);
  assert.equal(passed(outcomes), true);
  assert.equal(outcomes[0]?.checks[0]?.result, 'warning');
});

test('a check that needs time is repeated until it passes', async () => {
  let left = 3;
  const slow = check('slow', () => (left-- > 0 ? fail() : pass()), { retry: true });
  assert.equal(passed(await runChecks([{ name: 'one', checks: [slow] }], OPTIONS)), true);
});

test('skipped checks and categories of nothing else are not shown', async () => {
  const skip = () => Promise.reject(new SkipCheck());
  const outcomes = await runChecks([{ name: 'one', checks: [check('a', skip)] }], OPTIONS);
  assert.deepEqual(outcomes, []);
});

test('the short report has only the bad news and the verdict', async () => {
  const outcomes = await runChecks([{ name: 'one', checks: [check('good', pass), check('bad', fail)] }], OPTIONS);
  assert.equal(
    shortText(outcomes),
    'one\n---\n× bad\n    it is broken\n    see docs/check.md#anchor for hints\n\nStatus check results are ×\n',
  );
});

test('durations of --wait are read as Go writes them', () => {
  assert.deepEqual(['0', '500ms', '300s', '5m0s', '1h'].map(waitMs), [0, 500, 300_000, 300_000, 3_600_000]);
  for (const text of ['', '5', 'soon', '5m x']) assert.throws(() => waitMs(text), /--wait/);
});

test('addresses outside of the cluster networks are named', async () => {
  const api = new FakeApi();
  const values = 'clusterNetworks: "10.0.0.0/8,192.168.0.0/16"';
  api.seed(CONFIG_MAPS, { metadata: { namespace: 'linkerd', name: 'linkerd-config' }, data: { values } });
  api.seed(NODES, { metadata: { name: 'node' }, spec: { podCIDRs: ['10.1.0.0/24'] } });
  api.seed(PODS, { metadata: { namespace: 'a', name: 'in' }, spec: { containers: [] }, status: { podIP: '10.1.0.5' } });
  api.seed(PODS, {
    metadata: { namespace: 'a', name: 'out' },
    spec: { containers: [] },
    status: { podIP: '172.30.0.5' },
  });
  api.seed(SERVICES, { metadata: { namespace: 'a', name: 'headless' }, spec: { clusterIP: 'None' } });
  const client = api.client();
  const state = new CheckState('linkerd', () =>
    Promise.resolve({ client, access: undefined as never, [Symbol.dispose]: () => undefined }),
  );
  const [outcome] = await runChecks([{ name: 'networks', checks: clusterNetworkChecks(state) }], OPTIONS);
  assert.deepEqual(
    outcome?.checks.map((one) => one.result),
    ['success', 'error', 'success'],
  );
  assert.match(outcome?.checks[1]?.error ?? '', /a\/out \(172\.30\.0\.5\)/);
});

test('check of an empty cluster fails at the missing control plane, in JSON too', async () => {
  const api = new FakeApi();
  const { code, stdout } = await mesh('check --wait 0 -o json', { api });
  assert.equal(code, 1);
  assert.equal((JSON.parse(stdout) as { success: boolean }).success, false);
});
