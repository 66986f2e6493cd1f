/** Probes over real mTLS on loopback. */
import assert from 'node:assert/strict';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import type { Server, TLSSocket } from 'node:tls';
import { test } from 'node:test';
import { eventually } from '@mesh/kube/testing';
import { createNodeDriver } from '@mesh/net';
import type { TlsMaterial } from '@mesh/net';
import { chainPem, createTrustAnchor, issueCertificate } from '@mesh/pki';
import type { Authority } from '@mesh/pki';
import { systemClock } from '@mesh/runtime';
import type { ProbeResult, ProbeSession } from './gateway-prober.ts';
import { createMtlsProbe } from './mtls-probe.ts';

const GATEWAY = 'linkerd-gateway.mc.serviceaccount.identity.linkerd.cluster.local';
const MIRROR = 'linkerd-service-mirror.mc.serviceaccount.identity.linkerd.cluster.local';
const READY = 'HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nready\n';

async function material(anchor: Authority, name: string): Promise<TlsMaterial> {
  const { keyPem, chainPem: chain } = await issueCertificate(anchor, {
    commonName: name,
    dnsNames: [name],
    usages: ['server', 'client'],
  });
  return { key: keyPem, chain, trust: chainPem(anchor.chain) };
}

/** A gateway's probe port that answers each request with `answer`. */
class ProbePort implements AsyncDisposable {
  readonly anchor: Authority;
  readonly sockets = new Set<TLSSocket>();
  requests = 0;
  connections = 0;
  readonly #server: Server;

  constructor(anchor: Authority, { key, chain, trust }: TlsMaterial, answer: string) {
    this.anchor = anchor;
    this.#server = createServer({ key, cert: chain, ca: trust, requestCert: true }, (socket) => {
      this.connections += 1;
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('data', () => {
        this.requests += 1;
        socket.write(answer);
      });
    });
  }

  static async start(answer: string): Promise<ProbePort> {
    const anchor = await createTrustAnchor({ commonName: 'root' });
    const port = new ProbePort(anchor, await material(anchor, GATEWAY), answer);
    await new Promise<void>((resolve) => port.#server.listen(0, '127.0.0.1', resolve));
    return port;
  }

  async session(
    options: { anchor?: Authority; identity?: string; onLost?: () => void; timeoutMs?: number } = {},
  ): Promise<ProbeSession> {
    const driver = createNodeDriver();
    const { chain, key } = await material(options.anchor ?? this.anchor, MIRROR);
    const context = driver.context({ key, chain, trust: chainPem((options.anchor ?? this.anchor).chain) });
    const connect = createMtlsProbe({ driver, clock: systemClock, tlsContext: () => context });
    const { port } = this.#server.address() as AddressInfo;
    const { identity = GATEWAY, timeoutMs = 2000 } = options;
    return connect({ ip: '127.0.0.1', port, path: '/ready', identity, timeoutMs }, options.onLost ?? (() => undefined));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

function failureOf(result: ProbeResult): string {
  return result.ok ? 'none' : result.failure;
}

test('a probe succeeds on status 200, and the next one uses the same connection', async () => {
  await using port = await ProbePort.start(READY);
  using session = await port.session();
  assert.equal(failureOf(await session.probe()), 'none');
  assert.equal(failureOf(await session.probe()), 'none');
  assert.equal(port.requests, 2);
  assert.equal(port.connections, 1);
});

test('a kept connection that ends is told at once', async () => {
  await using port = await ProbePort.start(READY);
  let lost = 0;
  using session = await port.session({ onLost: () => (lost += 1) });
  assert.equal(failureOf(await session.probe()), 'none');
  for (const socket of port.sockets) socket.destroy();
  await eventually('told', () => lost === 1);
});

test('another status, another protocol and silence are failures of their own', async () => {
  await using draining = await ProbePort.start('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n');
  using first = await draining.session();
  assert.equal(failureOf(await first.probe()), 'status');
  await using strange = await ProbePort.start('SSH-2.0\r\n\r\n');
  using second = await strange.session();
  assert.equal(failureOf(await second.probe()), 'protocol');
  await using silent = await ProbePort.start('');
  using third = await silent.session({ timeoutMs: 100 });
  assert.equal(failureOf(await third.probe()), 'timeout');
});

test('a prober that stood still does not blame the gateway', async () => {
  await using port = await ProbePort.start(READY);
  using session = await port.session({ timeoutMs: 250 });
  assert.equal(failureOf(await session.probe()), 'none');
  const asked = session.probe();
  // The whole process stands still for longer than the limit, as on a machine without a processor to spare.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
  assert.equal(failureOf(await asked), 'none');
});

test('an answer that says close is a success on a connection of its own', async () => {
  await using port = await ProbePort.start('HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n');
  let lost = 0;
  using session = await port.session({ onLost: () => (lost += 1) });
  assert.equal(failureOf(await session.probe()), 'none');
  assert.equal(failureOf(await session.probe()), 'none');
  assert.equal(port.connections, 2);
  assert.equal(lost, 0);
});

test('the wrong identity, another anchor and a closed port are told apart', async () => {
  const port = await ProbePort.start(READY);
  using wrong = await port.session({ identity: 'someone-else.mc.serviceaccount.identity.linkerd.cluster.local' });
  assert.equal(failureOf(await wrong.probe()), 'identity');
  using foreign = await port.session({ anchor: await createTrustAnchor({ commonName: 'other' }) });
  assert.equal(failureOf(await foreign.probe()), 'tls');
  using closed = await port.session();
  await port[Symbol.asyncDispose]();
  assert.equal(failureOf(await closed.probe()), 'refused');
});

test('without a certificate of our own nothing is sent', async () => {
  const connect = createMtlsProbe({ driver: createNodeDriver(), clock: systemClock, tlsContext: () => undefined });
  using session = connect({ ip: '127.0.0.1', port: 1, path: '/', identity: GATEWAY, timeoutMs: 100 }, () => undefined);
  assert.equal(failureOf(await session.probe()), 'no_identity');
});
