/**
 * Records the golden transcript against a real cluster:
 *
 *   node test/embedded-conformance/record.ts --kubeconfig FILE [--webhook-host ADDRESS] [--only TOPIC]
 *
 * ADDRESS is this machine as the API server reaches it (for kind the gateway of its Docker network, usually 172.18.0.1).
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { readTarget } from './api-caller.ts';
import { runProgram } from './program.ts';

const { values } = parseArgs({
  options: {
    kubeconfig: { type: 'string' },
    'webhook-host': { type: 'string', default: '172.18.0.1' },
    only: { type: 'string' },
  },
});
if (values.kubeconfig === undefined) {
  process.stderr.write('record.ts: --kubeconfig FILE of a real cluster is required\n');
  process.exit(64);
}
const options = { webhookHost: values['webhook-host'], ...(values.only === undefined ? {} : { only: values.only }) };
const transcript = await runProgram(readTarget(values.kubeconfig), options);
const folder = new URL('golden/', import.meta.url);
mkdirSync(folder, { recursive: true });
for (const [topic, steps] of Object.entries(transcript)) {
  writeFileSync(new URL(`${topic}.json`, folder), `${JSON.stringify(steps, undefined, 1)}\n`);
  process.stdout.write(`${topic}: ${steps.length} steps\n`);
}
