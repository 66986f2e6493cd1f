/** The shim with real processes: every runtime as application and as proxy. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createTrustAnchor, issueCertificate } from '@mesh/pki';
import { silentLogger } from '@mesh/runtime';
import { bunBinary } from '@mesh/runtime/testing';
import { type AddressBlock, claimAddressBlock, loopbackOf } from './address-block.ts';
import { ClusterNames } from './cluster-names.ts';
import { DNS_CODE } from './dns-message.ts';
import { DnsServer } from './dns-server.ts';
import { podEnvironment, type PodNetwork, type Redirect } from './pod-environment.ts';

const DEADLINE_MS = 10_000;
const fixture = (name: string): string => fileURLToPath(new URL(`./fixtures/${name}`, import.meta.url));
// Where npm has no Bun, starting it fails with that word.
const RUNTIMES = { node: process.execPath, bun: bunBinary() ?? 'bun' };
const REDIRECT: Redirect = {
  inboundPort: 4143,
  outboundPort: 4140,
  proxyUid: 2102,
  inboundIgnore: [[4191, 4191]],
  outboundIgnore: [[4567, 4568]],
};

type Event = Readonly<Record<string, unknown>>;

/** A program of a pod: its events on standard output, calls by standard input. */
class Program {
  readonly child: ChildProcess;
  readonly events: Event[] = [];
  readonly #waiters = new Set<() => void>();
  #id = 0;

  constructor(command: readonly string[], env: Record<string, string>) {
    this.child = spawn(command[0] ?? '', command.slice(1), { env, stdio: ['pipe', 'pipe', 'inherit'] });
    if (this.child.stdout === null) throw new Error('no standard output');
    createInterface({ input: this.child.stdout }).on('line', (line) => {
      this.events.push(line.startsWith('{') ? (JSON.parse(line) as Event) : { line });
      for (const wake of this.#waiters) wake();
    });
  }

  async event(matches: (event: Event) => boolean): Promise<Event> {
    const deadline = AbortSignal.timeout(DEADLINE_MS);
    for (;;) {
      const found = this.events.find(matches);
      if (found !== undefined) return found;
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      this.#waiters.add(resolve);
      deadline.addEventListener('abort', () => reject(new Error(`no such event among ${JSON.stringify(this.events)}`)));
      await promise;
      this.#waiters.delete(resolve);
    }
  }

  ready(): Promise<Event> {
    return this.event((event) => event['ready'] === true);
  }

  async call(call: string, host = '', port = 0): Promise<unknown> {
    const id = (this.#id += 1);
    this.child.stdin?.write(`${JSON.stringify({ id, call, host, port })}\n`);
    const { answer, error } = await this.event((event) => event['id'] === id);
    return error === undefined ? answer : { error };
  }

  async kill(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGKILL');
    await gone;
  }
}

function fetchText(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port });
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => (text += String(chunk)));
    socket.on('end', () => resolve(text.includes('\r\n\r\n') ? text.slice(text.indexOf('\r\n\r\n') + 4) : text));
    socket.write('GET / HTTP/1.0\r\n\r\n');
  });
}

async function eventually<T>(attempt: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

describe('the shim', { concurrency: false }, () => {
  let block: AddressBlock;
  let folder: string;
  let dns: DnsServer;
  let httpPort = 0;
  let httpsPort = 0;
  const servers: { close(): unknown }[] = [];
  const programs: Program[] = [];
  const names = new ClusterNames('cluster.local', { answer: () => ({ code: DNS_CODE.noSuchName, answers: [] }) });

  before(async () => {
    block = await claimAddressBlock();
    folder = await mkdtemp(join(tmpdir(), 'shim-'));
    dns = new DnsServer({ address: block.dnsIp, port: 0 }, { names, log: silentLogger });
    await dns.start();
    names.setNamespaces(['shop']);
    const address = block.services.allocate();
    names.applyService({
      metadata: { name: 'catalog', namespace: 'shop' },
      spec: { clusterIP: address, ports: [{ name: 'http', port: 80 }] },
    });
    const anchor = await createTrustAnchor({ commonName: 'test' });
    const leaf = await issueCertificate(anchor, {
      commonName: 'server',
      dnsNames: ['server.test'],
      usages: ['server'],
    });
    await writeFile(join(folder, 'ca.pem'), anchor.certificate.pem);
    const plain = createServer((request, response) => response.end(`plain ${request.socket.remoteAddress}`));
    const secure = createSecureServer(
      { key: leaf.keyPem, cert: leaf.chainPem, allowHTTP1: true },
      (request, response) => {
        response.end(`secure HTTP/${request.httpVersion}`);
      },
    );
    await new Promise<void>((resolve) => void plain.listen(0, address, resolve));
    await new Promise<void>((resolve) => void secure.listen(0, address, resolve));
    servers.push(plain, secure);
    httpPort = (plain.address() as { port: number }).port;
    httpsPort = (secure.address() as { port: number }).port;
  });
  after(async () => {
    for (const program of programs) await program.kill();
    for (const server of servers) server.close();
    await dns[Symbol.asyncDispose]();
    await block[Symbol.asyncDispose]();
    await rm(folder, { recursive: true });
  });

  async function pod(redirect?: Redirect): Promise<PodNetwork> {
    const ip = block.pods.allocate();
    const announceFolder = join(folder, ip);
    await mkdir(announceFolder);
    return {
      hostname: 'web-0',
      ip,
      loopback: loopbackOf(ip),
      dns: { address: block.dnsIp, port: dns.port },
      searches: ['shop.svc.cluster.local', 'svc.cluster.local', 'cluster.local'],
      ndots: 5,
      announceFolder,
      ports: [],
      privilegedOffset: 0,
      ...(redirect === undefined ? {} : { redirect }),
    };
  }
  function run(binary: string, network: PodNetwork, exempt: boolean, args: readonly string[]): Program {
    const program = new Program([binary, ...args], podEnvironment(network, exempt, [['/etc/mounted', folder]]));
    programs.push(program);
    return program;
  }
  const app = (binary: string, network: PodNetwork, port: number): Program =>
    run(binary, network, false, [fixture('app.cjs'), String(port), join(folder, 'ca.pem')]);
  const proxy = (binary: string, network: PodNetwork): Program => run(binary, network, true, [fixture('proxy.mjs')]);

  for (const [runtime, binary] of Object.entries(RUNTIMES)) {
    test(`gives a program on ${runtime} its pod's name, addresses, names and files`, async () => {
      const network = await pod();
      const program = app(binary, network, 8080);
      await program.ready();
      const peer = app(binary, network, 8081);
      await peer.ready();
      assert.equal(await program.call('hostname'), 'web-0');
      assert.match(String(await program.call('lookup', 'catalog')), /^127\.\d+\.128\./);
      assert.equal(
        await program.call('lookup', 'catalog.shop'),
        await program.call('lookup', 'catalog.shop.svc.cluster.local'),
      );
      assert.deepEqual(await program.call('lookup', 'missing'), { error: 'ENOTFOUND' });
      assert.equal(await program.call('lookup', 'web-0'), network.ip);
      assert.match(String(await program.call('srv', '_http._tcp.catalog.shop.svc.cluster.local')), /"port":80/);
      assert.match(String(await program.call('read', '/etc/mounted/ca.pem')), /BEGIN CERTIFICATE/);
      assert.match(await fetchText(network.ip, 8080), /^app saw 8080/);
      assert.match(String(await program.call('fetch', 'localhost', 8081)), /^app saw 8081/);
      assert.match(String(await program.call('http', '127.0.0.1', 8081)), /^app saw 8081/);
      assert.equal(await program.call('http', 'catalog', httpPort), `plain ${network.ip}`);
      assert.deepEqual(await program.call('http', '127.0.0.1', 9), { error: 'ECONNREFUSED' });
    });

    for (const [proxyRuntime, proxyBinary] of Object.entries(RUNTIMES)) {
      test(`redirects a program on ${runtime} through a proxy on ${proxyRuntime}`, async () => {
        const network = await pod(REDIRECT);
        const sidecar = proxy(proxyBinary, network);
        const program = app(binary, network, 8080);
        await sidecar.ready();
        await program.ready();
        const address = String(await program.call('lookup', 'catalog'));
        for (const call of ['http', 'fetch', 'net']) {
          assert.equal(await program.call(call, 'catalog', httpPort), `plain ${network.ip}`, call);
        }
        assert.equal(await program.call('https', 'catalog', httpsPort), 'secure HTTP/1.1');
        assert.equal(await program.call('tls', 'catalog', httpsPort), 'secure HTTP/1.0');
        assert.equal(await program.call('http2', 'catalog', httpsPort), 'secure HTTP/2.0');
        assert.equal(await program.call('http', address, httpPort), `plain ${network.ip}`);
        const outbound = sidecar.events.filter((event) => event['direction'] === 'outbound');
        assert.equal(outbound.length, 7);
        assert.ok(outbound.every((event) => event['address'] === address && event['remote'] === network.ip));
        assert.equal(outbound[0]?.['port'], httpPort);

        assert.match(await eventually(() => fetchText(network.ip, 8080)), /^app saw 8080/);
        const inbound = sidecar.events.filter((event) => event['direction'] === 'inbound');
        assert.deepEqual([inbound.at(-1)?.['address'], inbound.at(-1)?.['port']], [network.ip, 8080]);
        assert.equal(await fetchText(network.ip, 4191), 'admin');
      });
    }
  }

  for (const [runtime, binary] of Object.entries(RUNTIMES)) {
    test(`lets clients of ignored networks past a proxy on ${runtime}, to the program, with their address`, async () => {
      const [outside, inside] = [await pod(), await pod()];
      const network = await pod({ ...REDIRECT, sourcesIgnore: [`${outside.ip}/32`] });
      const sidecar = proxy(binary, network);
      const program = app(RUNTIMES.node, network, 8080);
      const clients = [outside, inside].map((of) => app(RUNTIMES.node, of, 8080));
      for (const each of [sidecar, program, ...clients]) await each.ready();
      const inbound = (): readonly unknown[] =>
        sidecar.events.filter((event) => event['direction'] === 'inbound').map((event) => event['remote']);
      const call = (client: Program | undefined): Promise<string> =>
        eventually(async () => {
          const answer = String(await client?.call('http', network.ip, 8080));
          assert.match(answer, /^app saw 8080/);
          return answer;
        });
      assert.equal(await call(clients[0]), `app saw 8080 from ${outside.ip}`);
      await call(clients[1]);
      assert.deepEqual(inbound(), [inside.ip]);
    });
  }

  test('does not redirect what a program sends to its own pod or to ignored ports', async () => {
    const network = await pod(REDIRECT);
    const sidecar = proxy(RUNTIMES.bun, network);
    const program = app(RUNTIMES.node, network, 8080);
    await sidecar.ready();
    await program.ready();
    assert.match(String(await program.call('http', 'localhost', 8080)), /^app saw 8080/);
    assert.match(String(await program.call('http', network.ip, 8080)), /^app saw 8080/);
    assert.deepEqual(await program.call('http', 'catalog', 4567), { error: 'ECONNREFUSED' });
    assert.equal(await program.call('net', 'localhost', 4191), 'admin'.slice(3));
    assert.ok(sidecar.events.every((event) => event['direction'] !== 'outbound'));
  });

  for (const [runtime, binary] of Object.entries(RUNTIMES)) {
    test(`fails closed while a proxy on ${runtime} is down, and heals when it returns`, async () => {
      const network = await pod(REDIRECT);
      const program = app(RUNTIMES.node, network, 8080);
      await program.ready();
      await assert.rejects(fetchText(network.ip, 8080), { code: 'ECONNREFUSED' });
      const first = proxy(binary, network);
      await first.ready();
      assert.match(await eventually(() => fetchText(network.ip, 8080)), /^app saw 8080/);
      await first.kill();
      await assert.rejects(fetchText(network.ip, 8080), { code: 'ECONNREFUSED' });
      assert.deepEqual(await program.call('http', 'catalog', httpPort), { error: 'ECONNREFUSED' });
      const second = proxy(binary, network);
      await second.ready();
      assert.match(await eventually(() => fetchText(network.ip, 8080)), /^app saw 8080/);
      await program.kill();
      const again = app(RUNTIMES.node, network, 8080);
      await again.ready();
      assert.match(await eventually(() => fetchText(network.ip, 8080)), /^app saw 8080/);
      assert.equal(await again.call('http', 'catalog', httpPort), `plain ${network.ip}`);
    });
  }
});
