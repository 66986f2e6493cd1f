/** The server over real sockets, asked by Node's own resolver (c-ares). */
import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { ENDPOINT_SLICES, SERVICE_IMPORTS } from '@mesh/kube';
import { eventually, FakeApi } from '@mesh/kube/testing';
import { parseIp } from '@mesh/model';
import { silentLogger, systemClock } from '@mesh/runtime';
import { ClustersetDns } from '../src/app.ts';
import { queryBytes, readResponse } from '../src/testing/messages.ts';
import { endpoints, headlessImport, serviceImport, slice } from '../src/testing/objects.ts';

const SUFFIX = 'shop.svc.clusterset.local';

class Running implements AsyncDisposable {
  readonly api: FakeApi;
  readonly dns: ClustersetDns;
  readonly resolver = new Resolver({ timeout: 2000, tries: 5 });

  constructor(api: FakeApi) {
    this.api = api;
    this.dns = new ClustersetDns(
      {
        address: { host: '127.0.0.1', port: 0 },
        adminAddress: { host: '127.0.0.1', port: 0 },
        serverAddresses: [parseIp('127.0.0.1') ?? assert.fail()],
      },
      { client: api.client(), clock: systemClock, logger: silentLogger, logControl: { level: 'off' } },
    );
  }

  async start(): Promise<this> {
    await this.dns.start(new AbortController().signal);
    this.resolver.setServers([`127.0.0.1:${this.dns.port}`]);
    return this;
  }

  async ready(): Promise<number> {
    return (await fetch(`http://127.0.0.1:${this.dns.adminPort}/ready`)).status;
  }

  async metric(series: string): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.dns.adminPort}/metrics`)).text();
    const line = text.split('\n').find((each) => each.startsWith(`${series} `));
    return Number(line?.slice(series.length + 1) ?? Number.NaN);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.resolver.cancel();
    await this.dns[Symbol.asyncDispose]();
  }
}

function seeded(): FakeApi {
  const api = new FakeApi();
  api.seed(SERVICE_IMPORTS, serviceImport('hello', { ips: ['10.96.0.10', 'fd00::10'] }));
  api.seed(SERVICE_IMPORTS, headlessImport('db'));
  api.seed(ENDPOINT_SLICES, slice('db', [{ addresses: ['10.0.0.1'], hostname: 'db-0' }, { addresses: ['10.0.0.2'] }]));
  return api;
}

const code = (expected: string) => (error: Error & { code?: string }) => error.code === expected;

test('a real resolver finds addresses, ports and texts, and tells what is missing', async () => {
  await using running = await new Running(seeded()).start();
  const { resolver } = running;
  assert.deepEqual(await resolver.resolve4(`hello.${SUFFIX}`, { ttl: true }), [{ address: '10.96.0.10', ttl: 5 }]);
  assert.deepEqual(await resolver.resolve6(`HELLO.${SUFFIX}`), ['fd00::10']);
  assert.deepEqual((await resolver.resolve4(`db.${SUFFIX}`)).toSorted(), ['10.0.0.1', '10.0.0.2']);
  assert.deepEqual(await resolver.resolve4(`db-0.east.db.${SUFFIX}`), ['10.0.0.1']);
  const [port] = await resolver.resolveSrv(`_http._tcp.hello.${SUFFIX}`);
  assert.deepEqual([port?.name, port?.port], [`hello.${SUFFIX}`, 80]);
  const targets = (await resolver.resolveSrv(`_http._tcp.db.${SUFFIX}`)).map((each) => `${each.name}:${each.port}`);
  assert.deepEqual(targets.toSorted(), [`10-0-0-2.east.db.${SUFFIX}:8080`, `db-0.east.db.${SUFFIX}:8080`]);
  assert.deepEqual(await resolver.resolveTxt('dns-version.clusterset.local'), [['1.0.0']]);
  assert.equal((await resolver.resolveSoa('clusterset.local')).nsname, 'ns.dns.clusterset.local');
  assert.deepEqual(await resolver.resolveNs('clusterset.local'), ['ns.dns.clusterset.local']);
  await assert.rejects(resolver.resolve4(`none.${SUFFIX}`), code('ENOTFOUND'));
  await assert.rejects(resolver.resolve6(`db.${SUFFIX}`), code('ENODATA'));
  await assert.rejects(resolver.resolve4('hello.shop.svc.cluster.local'), code('EREFUSED'));
});

test('several hundred endpoints come over TCP, when UDP has no room', async () => {
  const api = seeded();
  api.seed(SERVICE_IMPORTS, headlessImport('many'));
  api.seed(ENDPOINT_SLICES, slice('many', endpoints(700)));
  await using running = await new Running(api).start();
  assert.equal((await running.resolver.resolve4(`many.${SUFFIX}`)).length, 700);
  assert.equal((await running.resolver.resolveSrv(`many.${SUFFIX}`)).length, 700);
  assert.ok((await running.metric('mesh_dns_truncated_total')) >= 2);
  assert.equal(await running.metric('mesh_dns_queries_total{type="A",rcode="NOERROR",transport="tcp"}'), 1);
});

test('answers follow imports and endpoints as they change', async () => {
  const api = seeded();
  await using running = await new Running(api).start();
  const { resolver } = running;
  const resolves = (name: string) => resolver.resolve4(name).catch((error: Error & { code?: string }) => error.code);
  api.seed(SERVICE_IMPORTS, serviceImport('late', { ips: ['10.96.0.77'] }));
  await eventually('the new import', async () => Array.isArray(await resolves(`late.${SUFFIX}`)));
  api.seed(ENDPOINT_SLICES, slice('db', [{ addresses: ['10.0.0.9'] }]));
  await eventually('the new endpoint', async () => String(await resolves(`db.${SUFFIX}`)) === '10.0.0.9');
  api.remove(SERVICE_IMPORTS, 'shop/hello');
  await eventually('the import to go', async () => (await resolves(`hello.${SUFFIX}`)) === 'ENOTFOUND');
  assert.equal(await running.metric('mesh_dns_imports'), 2);
});

test('it is ready only when everything was read, and says SERVFAIL until then', async () => {
  const api = seeded();
  const fault = api.fault({ match: ({ resource }) => resource.startsWith('endpointslices'), code: 'unreachable' });
  const running = new Running(api);
  const starting = running.start();
  try {
    await eventually('the sockets', () => running.dns.adminPort !== 0 && running.dns.port !== 0);
    assert.equal(await running.ready(), 503);
    running.resolver.setServers([`127.0.0.1:${running.dns.port}`]);
    await assert.rejects(running.resolver.resolve4(`hello.${SUFFIX}`), code('ESERVFAIL'));
    fault[Symbol.dispose]();
    await starting;
    assert.equal(await running.ready(), 200);
    assert.deepEqual(await running.resolver.resolve4(`hello.${SUFFIX}`), ['10.96.0.10']);
  } finally {
    await running[Symbol.asyncDispose]();
  }
});

test('while the API is away it answers what it knew, and says how old that is', async () => {
  const api = seeded();
  await using running = await new Running(api).start();
  assert.equal(await running.metric('mesh_dns_staleness_seconds'), 0);
  api.goDown();
  await eventually('staleness', async () => (await running.metric('mesh_dns_staleness_seconds')) > 0);
  assert.deepEqual(await running.resolver.resolve4(`hello.${SUFFIX}`), ['10.96.0.10']);
  assert.equal(await running.ready(), 200);
  api.comeBack();
  await eventually('contact', async () => (await running.metric('mesh_dns_staleness_seconds')) === 0, 20_000);
});

describe('a TCP connection', () => {
  const framed = (name: string): Buffer => {
    const query = queryBytes(name);
    return Buffer.concat([Buffer.of(query.length >> 8, query.length & 255), query]);
  };

  test('takes queries in any pieces, several at once, and answers in order', async () => {
    await using running = await new Running(seeded()).start();
    const socket = connect(running.dns.port, '127.0.0.1');
    const names = [`hello.${SUFFIX}`, `db.${SUFFIX}`, `none.${SUFFIX}`];
    const bytes = Buffer.concat(names.map(framed));
    await once(socket, 'connect');
    socket.setNoDelay(true);
    for (const byte of bytes.subarray(0, 30)) socket.write(Buffer.of(byte));
    socket.write(bytes.subarray(30));
    let received = Buffer.alloc(0);
    const responses: string[] = [];
    for await (const chunk of socket as AsyncIterable<Buffer>) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE(0)) {
        const length = received.readUInt16BE(0);
        responses.push(readResponse(received.subarray(2, 2 + length)).question);
        received = received.subarray(2 + length);
      }
      if (responses.length === names.length) break;
    }
    assert.deepEqual(responses, names);
    assert.equal(await eventuallyZero(running), 0);
  });

  test('that does not read its answers is not read from, and gets all of them later', async () => {
    const api = seeded();
    api.seed(SERVICE_IMPORTS, headlessImport('many'));
    api.seed(ENDPOINT_SLICES, slice('many', endpoints(700)));
    await using running = await new Running(api).start();
    const served = (): Promise<number> =>
      running.metric('mesh_dns_queries_total{type="A",rcode="NOERROR",transport="tcp"}');
    const socket = connect(running.dns.port, '127.0.0.1');
    await once(socket, 'connect');
    socket.pause();
    const count = 2000;
    const query = framed(`many.${SUFFIX}`);
    for (let index = 0; index < count; index += 1) socket.write(query);
    let last = await served();
    for (let same = 0; same < 8;) {
      const now = await served();
      same = now === last && now > 0 ? same + 1 : 0;
      last = now;
    }
    assert.ok(last < count, `${last} answers of 11 kB are made for nobody`);
    let receivedBytes = 0;
    socket.on('data', (chunk: Buffer) => (receivedBytes += chunk.length)).resume();
    await eventually('all answers', async () => (await served()) === count);
    const answerBytes = 2 + 12 + query.length - 14 + 700 * 16;
    await eventually('all bytes', () => receivedBytes === count * answerBytes);
    socket.destroy();
  });

  test('is closed on a message that is none', async () => {
    await using running = await new Running(seeded()).start();
    for (const bytes of [Buffer.of(0, 3, 1, 2, 3), Buffer.of(0xff, 0xff)]) {
      const socket = connect(running.dns.port, '127.0.0.1');
      socket.end(bytes);
      socket.resume();
      await once(socket, 'close');
    }
    assert.equal(await eventuallyZero(running), 0);
  });

  async function eventuallyZero(running: Running): Promise<number> {
    await eventually('no connection', async () => (await running.metric('mesh_dns_tcp_connections')) === 0);
    return running.metric('mesh_dns_tcp_connections');
  }
});
