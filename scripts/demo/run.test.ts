import assert from 'node:assert/strict';
import test from 'node:test';
import type { StepOutcome } from './document.ts';
import { runSteps } from './run.ts';
import { DemoState } from './state.ts';
import type { Step } from './steps.ts';

function setUp() {
  const signal = new AbortController().signal;
  const state = new DemoState({ signal, open: () => Promise.reject(new Error('not used')) });
  const seen: StepOutcome[] = [];
  const view = {
    begin: () => undefined,
    end: (outcome: StepOutcome) => void seen.push(outcome),
    finish: () => undefined,
    close: () => undefined,
  };
  return { state, view, seen };
}

function step(name: string, run: Step['run']): Step {
  return { name, title: name, run };
}

test('the document is ok when every step held and every request that counts succeeded', async () => {
  const { state, view } = setUp();
  state.log.add({ target: 'home', seq: 1, at: 1, ms: 2, status: 200, cluster: 'east' });
  const document = await runSteps([step('one', () => Promise.resolve('done'))], state, view);
  assert.equal(document.ok, true);
  assert.deepEqual(
    document.steps.map(({ name, ok, detail }) => ({ name, ok, detail })),
    [{ name: 'one', ok: true, detail: 'done' }],
  );
  assert.equal(document.traffic.sent, 1);
});

test('a failed step ends the story with its reason', async () => {
  const { state, view, seen } = setUp();
  const never = step('three', () => Promise.reject(new Error('must not run')));
  const steps = [
    step('one', () => Promise.resolve('')),
    step('two', () => Promise.reject(new Error('no gateway'))),
    never,
  ];
  const document = await runSteps(steps, state, view);
  assert.equal(document.ok, false);
  assert.deepEqual(
    seen.map((outcome) => [outcome.name, outcome.ok, outcome.detail]),
    [
      ['one', true, ''],
      ['two', false, 'no gateway'],
    ],
  );
});

test('a failed request that could have been answered is a failure although every step held', async () => {
  const { state, view } = setUp();
  state.log.add({ target: 'home', seq: 1, at: 1, ms: 2, status: 503 });
  assert.equal((await runSteps([step('one', () => Promise.resolve(''))], state, view)).ok, false);
});

test('a lost log makes the step fail, since its numbers prove nothing', async () => {
  const { state, view } = setUp();
  const losing = step('one', () => {
    state.lost(new Error('stream broke'));
    return Promise.resolve('all good');
  });
  const document = await runSteps([losing], state, view);
  assert.equal(document.ok, false);
  assert.match(document.steps[0]?.detail ?? '', /stream broke/);
});
