/**
 * The embedded API answers as a real one: the program's transcript equals the recording of Kubernetes 1.34.
 *
 * Record again with `node test/embedded-conformance/record.ts --kubeconfig FILE` wherever a real cluster is at hand.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import test from 'node:test';
import type { Step } from './api-caller.ts';
import { startEmbedded } from './embedded.ts';
import { runProgram, TOPICS } from './program.ts';

test('the embedded API answers every recorded call as Kubernetes did', async (t) => {
  await using embedded = await startEmbedded();
  for (const topic of TOPICS) {
    await t.test(topic, async () => {
      const golden = JSON.parse(readFileSync(new URL(`golden/${topic}.json`, import.meta.url), 'utf8')) as Step[];
      const transcript = await runProgram(embedded.target, { webhookHost: '127.0.0.1', only: topic });
      const steps = JSON.parse(JSON.stringify(transcript[topic])) as Step[];
      assert.deepEqual(
        steps.map((step) => step.name),
        golden.map((step) => step.name),
        'the program changed: record again',
      );
      const different = golden.flatMap((real, index) =>
        isSame(real, steps[index]) ? [] : [{ real, embedded: steps[index] }],
      );
      assert.deepEqual(
        different.map((one) => one.embedded),
        different.map((one) => one.real),
        `${different.length} of ${golden.length} answers differ`,
      );
    });
  }
});

/** Equal but for the order of members. */
function isSame(a: unknown, b: unknown): boolean {
  try {
    assert.deepStrictEqual(b, a);
    return true;
  } catch {
    return false;
  }
}
