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
import { APPLY_CASES, WIDGET_DEFINITION } from '../src/schema/testing/apply-cases.ts';
import { CREATE_CASES } from '../src/schema/testing/create-cases.ts';
import {
  DEFINITION_CASES,
  DEFINITIONS_PATH,
  SAMPLE_CASES,
  SAMPLE_DEFINITION,
  SAMPLES_PATH,
} from '../src/schema/testing/custom-cases.ts';
import { GADGET_DEFINITION, TABLE_CASES } from '../src/schema/testing/table-cases.ts';
import { UPDATE_CASES } from '../src/schema/testing/update-cases.ts';
import { applyMergePatch } from '../src/schema/merge-patch.ts';
import { normalise, normaliseApplied } from '../src/schema/testing/normalise.ts';

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

await send('POST', '/apis/apiextensions.k8s.io/v1/customresourcedefinitions', WIDGET_DEFINITION);
await waitFor('/apis/example.com/v1/namespaces/t/widgets');
const CONTENT_TYPES = {
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  apply: 'application/apply-patch+yaml',
} as const;
const applied: Record<string, unknown[]> = {};
for (const { name, path, object, steps } of APPLY_CASES) {
  applied[name] = [];
  for (const { verb, manager, body, force, subresource } of steps) {
    const query = `fieldManager=${manager}${force === undefined ? '' : `&force=${force}`}`;
    const target = `${path}/${object}${subresource === undefined ? '' : `/${subresource}`}`;
    let answer: Record<string, unknown>;
    if (verb === 'create') answer = await send('POST', `${path}?${query}`, body);
    else if (verb === 'update') answer = await send('PUT', `${target}?${query}`, body);
    else answer = await send('PATCH', `${target}?${query}`, body, CONTENT_TYPES[verb]);
    applied[name].push(normaliseApplied(answer));
  }
  await send('PATCH', `${path}/${object}`, { metadata: { finalizers: null } }, CONTENT_TYPES.merge);
  await send('DELETE', `${path}/${object}`);
}
await write('apply.json', applied);

const definitions: Record<string, unknown> = {};
for (const { name, object } of DEFINITION_CASES)
  definitions[name] = normalise(await send('POST', `${DEFINITIONS_PATH}?dryRun=All`, object));
await write('definitions.json', definitions);
await send('POST', DEFINITIONS_PATH, SAMPLE_DEFINITION);
await waitFor(SAMPLES_PATH);
const samples: Record<string, unknown> = {};
for (const { name, object, strict } of SAMPLE_CASES)
  samples[name] = normalise(
    await send('POST', `${SAMPLES_PATH}?dryRun=All${strict === true ? '&fieldValidation=Strict' : ''}`, object),
  );
await write('samples.json', samples);

await send('POST', DEFINITIONS_PATH, GADGET_DEFINITION);
await waitFor('/apis/example.net/v1/namespaces/t/gadgets');
const tables: unknown[] = [];
for (const { path, object, status, isDeleted } of TABLE_CASES) {
  const name = (object['metadata'] as { name: string }).name;
  await send('POST', path, object);
  if (status !== undefined) await send('PATCH', `${path}/${name}/status`, { status }, CONTENT_TYPES.merge);
  if (isDeleted === true) await send('DELETE', `${path}/${name}`);
  const stored = await send('GET', `${path}/${name}`);
  const table = await send(
    'GET',
    `${path}/${name}`,
    undefined,
    'application/json',
    'application/json;as=Table;v=v1;g=meta.k8s.io',
  );
  const columns = (table['columnDefinitions'] as Record<string, unknown>[]).map((column) => [
    column['name'],
    column['type'],
    column['format'],
    column['priority'],
  ]);
  tables.push({ object: stored, columns, cells: (table['rows'] as { cells: unknown[] }[])[0]?.cells });
  await send('DELETE', `${path}/${name}?gracePeriodSeconds=0`);
  await send('PATCH', `${path}/${name}`, { metadata: { finalizers: null } }, CONTENT_TYPES.merge);
}
await write('tables.json', { now: new Date().toISOString(), tables });

async function waitFor(path: string): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const answer = await send('GET', path);
    if (answer['kind'] !== 'Status') return;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  throw new Error(`${path} is not served after 30 s`);
}

const updates: Record<string, unknown> = {};
for (const { name, path, object, change } of UPDATE_CASES) {
  const target = `${path}/${(object['metadata'] as { name: string }).name}`;
  const stored = await send('POST', path, object);
  if (stored['kind'] === 'Status') throw new Error(`${name}: ${String(stored['message'])}`);
  updates[name] = {
    before: normalise(stored),
    after: normalise(await send('PUT', `${target}?dryRun=All`, applyMergePatch(await send('GET', target), change))),
  };
  await send('DELETE', `${target}?gracePeriodSeconds=0`);
  await send('PATCH', target, { metadata: { finalizers: null } }, CONTENT_TYPES.merge);
}
await write('update.json', updates);

async function write(name: string, golden: unknown): Promise<void> {
  await writeFile(new URL(name, folder), `${JSON.stringify(golden, undefined, 1)}\n`);
}

function send(
  method: string,
  path: string,
  body?: unknown,
  contentType = 'application/json',
  accept = 'application/json',
): Promise<Record<string, unknown>> {
  return new Promise((resolve, reject) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const outgoing = request(
      new URL(path, server),
      {
        method,
        rejectUnauthorized: false,
        headers: { authorization: `Bearer ${token}`, 'content-type': contentType, accept, 'user-agent': 'recorder' },
      },
      (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => resolve(parse(Buffer.concat(chunks).toString())));
        response.on('error', reject);
      },
    );
    outgoing.on('error', reject);
    outgoing.end(text);
  });
}

/** A path that is not served answers in plain text. */
function parse(text: string): Record<string, unknown> {
  return text.startsWith('{') ? (JSON.parse(text) as Record<string, unknown>) : { kind: 'Status', message: text };
}
