import assert from 'node:assert/strict';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { silentLogger } from '@mesh/runtime';
import { type AddressBlock, claimAddressBlock } from './address-block.ts';
import { ServiceProxy } from './service-proxy.ts';
import type { Endpoint, EndpointSlice, Service } from './service-types.ts';

const DEADLINE_MS = 5_000;

describe('the Service proxy', { concurrency: false }, () => {
  let block: AddressBlock;
  let proxy: ServiceProxy;
  let address: string;
  const backends: Server[] = [];
  const ports = new Map<string, number>();
  let firstBackend = '';

  before(async () => {
    block = await claimAddressBlock();
    proxy = new ServiceProxy({ nodeIp: block.nodeIp, privilegedOffset: 0 }, silentLogger);
    await proxy.start();
    address = block.services.allocate();
    proxy.applyService(service());
  });
  after(async () => {
    await proxy[Symbol.asyncDispose]();
    for (const backend of backends) backend.close();
    await block[Symbol.asyncDispose]();
  });

  const service = (): Service => ({
    metadata: { name: 'web', namespace: 'shop' },
    spec: { clusterIP: address, ports: [{ name: 'tcp', port: 7000 }] },
  });
  const slice = (endpoints: readonly Endpoint[], port: number): EndpointSlice => ({
    metadata: { name: 'web-a', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'web' } },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: 'tcp', port }],
  });
  /** A server that answers the whole request, in upper case, when the client has ended it. */
  async function backend(): Promise<{ ip: string; port: number }> {
    const ip = block.pods.allocate();
    const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
      let text = `${ip} ${socket.remoteAddress} `;
      socket.on('data', (chunk) => (text += String(chunk).toUpperCase()));
      socket.on('end', () => socket.end(text));
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => void server.listen(ports.get('all') ?? 0, ip, resolve));
    const { port } = server.address() as { port: number };
    ports.set('all', port);
    backends.push(server);
    return { ip, port };
  }
  function exchange(text: string, from?: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({
        host: address,
        port: 7000,
        allowHalfOpen: true,
        ...(from === undefined ? {} : { localAddress: from }),
      });
      let answer = '';
      socket.on('error', reject);
      socket.on('data', (chunk) => (answer += String(chunk)));
      socket.on('end', () => resolve(answer));
      socket.end(text);
    });
  }
  async function refused(): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    for (;;) {
      const outcome = await exchange('x').then(
        () => 'answered',
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (outcome === 'ECONNREFUSED') return;
      assert.ok(Date.now() < deadline, `not refused: ${outcome}`);
    }
  }
  async function open(): Promise<void> {
    const deadline = Date.now() + DEADLINE_MS;
    while ((await exchange('x').catch(() => '')) === '') assert.ok(Date.now() < deadline, 'never opened');
  }

  test('refuses while no endpoint is ready', () => refused());

  test("passes bytes and half-close both ways, in turn to each ready endpoint, and shows the client's address", async () => {
    const [a, b] = [await backend(), await backend()];
    firstBackend = a.ip;
    const endpoint = (ip: string): Endpoint => ({ addresses: [ip], conditions: { ready: true } });
    proxy.applySlice(slice([endpoint(a.ip), endpoint(b.ip)], a.port));
    await open();
    const client = block.pods.allocate();
    const answers = [await exchange('hello', client), await exchange('hello', client)];
    assert.deepEqual(answers.toSorted(), [`${a.ip} ${client} HELLO`, `${b.ip} ${client} HELLO`].toSorted());
    proxy.applySlice(slice([endpoint(a.ip), { addresses: [b.ip], conditions: { ready: false } }], a.port));
    for (let i = 0; i < 3; i += 1) assert.match(await exchange('x'), new RegExp(`^${a.ip} `));
  });

  test('moves a large body through without loss', async () => {
    const text = 'x'.repeat(5_000_000);
    const answer = await exchange(text);
    assert.equal(answer.length - answer.indexOf('X'), text.length);
  });

  test('falls back to serving endpoints that terminate, then refuses', async () => {
    const port = ports.get('all') ?? 0;
    const ip = firstBackend;
    proxy.applySlice(
      slice([{ addresses: [ip], conditions: { ready: false, serving: true, terminating: true } }], port),
    );
    assert.match(await exchange('x'), new RegExp(`^${ip} `));
    proxy.applySlice(slice([], port));
    await refused();
  });
});
