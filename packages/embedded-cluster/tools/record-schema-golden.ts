/**
 * Records what a real API server answers to the cases of `src/schema/testing`, as golden files for the tests there.
 *
 *     node packages/embedded-cluster/tools/record-schema-golden.ts --server https://127.0.0.1:6443 --token TOKEN
 *
 * Everything happens in a namespace `t` and with objects that are deleted again; use a cluster that may be thrown away.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { parseArgs } from 'node:util';
import { CREATE_CASES } from '../src/schema/testing/create-cases.ts';
import { normalise } from '../src/schema/testing/normalise.ts';

const { values } = parseArgs({ options: { server: { type: 'string' }, token: { type: 'string' } } });
const { server, token } = values;
if (server === undefined || token === undefined)
  throw new Error('--server URL and --token TOKEN are needed; the user must be a cluster administrator');

const folder = new URL('../src/schema/testing/golden/', import.meta.url);
await mkdir(folder, { recursive: true });
await send('POST', '/api/v1/namespaces', { metadata: { name: 't' } });

const created: Record<string, unknown> = {};
for (const { name, path, object, strict } of CREATE_CASES) {
  created[name] = normalise(
    await send('POST', `${path}?dryRun=All${strict === true ? '&fieldValidation=Strict' : ''}`, object),
  );
}
await write('create.json', created);

async function write(name: string, golden: unknown): Promise<void> {
  await writeFile(new URL(name, folder), `${JSON.stringify(golden, undefined, 1)}\n`);
}

function send(
  method: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const outgoing = request(
      new URL(path, server),
      {
        method,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${token}`, 'content-type': contentType, 'user-agent': 'recorder' },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}
