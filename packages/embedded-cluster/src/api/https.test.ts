import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { negotiate } from './http/negotiate.ts';
import { parseResourcePath } from './http/request-path.ts';
import { KubeStatusError } from './status-error.ts';
import { adminOf, get, startServer } from './testing/https-client.ts';
import type { Identity } from './testing/https-client.ts';
import type { KubeObject } from './types.ts';

const CONFIG_MAPS = { group: '', version: 'v1', plural: 'configmaps' };

test('a client certificate names user and groups; one of another CA gets 401', async () => {
  await using server = await startServer();
  await using other = await startServer();
  const admin = adminOf(server);
  assert.equal((await get(server, '/api/v1/namespaces/default', admin)).code, 200);
  const stranger = await other.clientCertificate('root', ['system:masters']);
  const refused = await get(server, '/api/v1/namespaces/default', {
    ca: server.ca,
    cert: stranger.certificatePem,
    key: stranger.keyPem,
  });
  assert.equal(refused.code, 401);
  const jane = await server.clientCertificate('jane', ['painters']);
  const denied = await get(server, '/api/v1/namespaces/default/pods', {
    ca: server.ca,
    cert: jane.certificatePem,
    key: jane.keyPem,
  });
  assert.equal(denied.code, 403);
  assert.match(denied.text, /User \\"jane\\" cannot list resource \\"pods\\"/);
});

test('a suspended server is gone for clients and comes back on its port with its state', async () => {
  await using server = await startServer();
  const admin = adminOf(server);
  const { url } = server;
  await server
    .client()
    .create(CONFIG_MAPS, { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept', namespace: 'default' } });
  await server.suspend();
  await assert.rejects(get(server, '/version', admin), /ECONNREFUSED/);
  await server.resume();
  assert.equal(server.url, url);
  assert.equal((await get(server, '/api/v1/namespaces/default/configmaps/kept', admin)).code, 200);
});

test('credentials and tokens outlive a restart with a data folder', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'api-data-'));
  try {
    let admin: Identity;
    {
      await using server = await startServer(folder);
      admin = adminOf(server);
    }
    await using server = await startServer(folder);
    assert.equal((await get(server, '/api/v1/namespaces/default', admin)).code, 200);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('a custom resource is served within the write that defines it and gone with its definition', async () => {
  await using server = await startServer();
  const client = server.client();
  const definitions = { group: 'apiextensions.k8s.io', version: 'v1', plural: 'customresourcedefinitions' };
  await client.create(definitions, {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: 'things.example.com' },
    spec: {
      group: 'example.com',
      scope: 'Cluster',
      names: { plural: 'things', kind: 'Thing' },
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
        },
      ],
    },
  });
  const things = { group: 'example.com', version: 'v1', plural: 'things' };
  await client.create(things, {
    apiVersion: 'example.com/v1',
    kind: 'Thing',
    metadata: { name: 't', finalizers: ['example.com/hold'] },
  });
  await client.delete(definitions, undefined, 'things.example.com');
  await until(async () => (await client.get(things, undefined, 't')).metadata.deletionTimestamp !== undefined);
  await client.patch(things, undefined, 't', { type: 'merge', body: { metadata: { finalizers: null } } });
  await until(() =>
    client.list(things).then(
      () => false,
      (error: unknown) => error instanceof KubeStatusError && error.httpCode === 404,
    ),
  );
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 10_000;
  while (!(await condition())) {
    assert.ok(Date.now() < deadline, 'condition not met in 10 s');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

test('concurrent patches of one object all arrive', async () => {
  await using server = await startServer();
  const client = server.client();
  await client.create(CONFIG_MAPS, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'busy', namespace: 'default' },
  });
  const names = Array.from({ length: 15 }, (_unused, index) => `k${index}`);
  await Promise.all(
    names.map((name) =>
      client.patch(CONFIG_MAPS, 'default', 'busy', { type: 'merge', body: { data: { [name]: '1' } } }),
    ),
  );
  const end = await client.get(CONFIG_MAPS, 'default', 'busy');
  assert.deepEqual(Object.keys(end['data'] as object).sort(), names.sort());
});

test('Services get different addresses, also when they are created at once', async () => {
  await using server = await startServer();
  const client = server.client();
  const services = { group: '', version: 'v1', plural: 'services' };
  const make = (name: string): Promise<KubeObject> =>
    client.create(services, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name, namespace: 'default' },
      spec: { ports: [{ port: 80 }] },
    });
  const made = await Promise.all(['a', 'b', 'c', 'd'].map(make));
  const ips = made.map((service) => (service['spec'] as { clusterIP: string }).clusterIP);
  assert.equal(new Set(ips).size, 4);
  assert.ok(!ips.includes(server.serviceIp));
});

test('paths name resources, objects and subresources', () => {
  assert.deepEqual(parseResourcePath('/api/v1/namespaces/n/pods/p/log'), {
    ref: { group: '', version: 'v1', plural: 'pods' },
    namespace: 'n',
    name: 'p',
    subresource: 'log',
    rest: '',
  });
  assert.equal(parseResourcePath('/apis/apps/v1/deployments')?.ref.plural, 'deployments');
  assert.equal(parseResourcePath('/api/v1/namespaces/n/finalize')?.ref.plural, 'namespaces');
  assert.equal(parseResourcePath('/apis/apps/v1'), undefined);
  assert.equal(parseResourcePath('/healthz'), undefined);
  assert.equal(parseResourcePath('/api/v1/namespaces/%zz/pods'), undefined);
});

test('the first media type that is served wins, protobuf never', () => {
  assert.deepEqual(negotiate('application/vnd.kubernetes.protobuf,application/json'), {
    encoding: 'json',
    shape: 'object',
  });
  assert.equal(negotiate('application/json;as=Table;v=v1;g=meta.k8s.io,application/json').shape, 'table');
  assert.equal(negotiate('application/json;q=0.1, application/yaml').encoding, 'yaml');
  assert.throws(
    () => negotiate('application/vnd.kubernetes.protobuf'),
    (error) => error instanceof KubeStatusError && error.httpCode === 406,
  );
});
