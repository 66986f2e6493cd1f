/** Two whole sidecars, traffic of every kind through them, the answers that go wrong included, and what their admin ports then export. */
import { createServer as createHttpServer } from 'node:http';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { until } from '@mesh/control-client/testing';
import { createNodeDriver } from '@mesh/net';
import type { Address } from '@mesh/net';
import { durationFromMs, inbound, outbound } from '@mesh/proxy-api';
import type { destination } from '@mesh/proxy-api';
import { systemClock } from '@mesh/runtime';
import { ProxyApp } from '../src/app.ts';
import { parseProxyConfig } from '../src/config/config.ts';
import { ALLOW_ALL, endpoint, proxyEnv, startPlane, TRUST_DOMAIN } from './control-plane-fixture.ts';
import type { Plane } from './control-plane-fixture.ts';
import { GrpcClient, grpcApp } from './grpc-harness.ts';
import { H2Client } from './http2-harness.ts';
import { ask, RawClient, TestAnchor } from './harness.ts';

const DEADLINE_MS = 60_000;
const IP = '127.0.0.1';
/** A client from here is not the workload itself, which may always come in. */
const ELSEWHERE = '127.0.0.2';
/** Looks like no HTTP. */
const OPAQUE = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);

/** A sidecar, and where the connections that it accepts were going. */
interface Sidecar {
  readonly app: ProxyApp;
  readonly outbound: Address;
  readonly inbound: Address;
  readonly meant: { outbound: Address; inbound: Address | undefined };
}

/** Ports of the Service, by what the control plane says of them. */
const SERVICE_PORT = { detect: 80, opaque: 81, tls: 82, grpc: 83, empty: 84, emptyOpaque: 85 } as const;
type ServicePort = keyof typeof SERVICE_PORT;

interface Programs {
  readonly http: number;
  readonly opaque: number;
  readonly tls: number;
  readonly grpc: number;
  /** Nobody may come in. */
  readonly denied: number;
  readonly deniedOpaque: number;
  /** Has routes, for another host. */
  readonly routed: number;
}

/** @returns What both sidecars export, one after the other. */
export async function trafficOfAllKinds(): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const programs = await startPrograms(stack);
  const plane = await startPlane();
  stack.defer(() => plane.plane.stop());
  const watches = inboundPolicies(plane, programs);
  const near = await sidecar(stack, plane, 'web', []);
  // Known from the start: their policies hold for the first connection already.
  const far = await sidecar(stack, plane, 'catalog', Object.values(programs));
  outboundPolicies(plane, far, programs);
  await httpTraffic(near, far, programs);
  far.meant.inbound = undefined;
  await byteTraffic(near, far, programs);
  await refusedTraffic(near, far, programs);
  // A client that is let in no longer is cut off.
  const cut = await echoed(far, programs.opaque);
  for (const watch of watches) watch(denying());
  await until('the cut', () => cut.closed, DEADLINE_MS);
  const texts: string[] = [];
  for (const { app } of [near, far])
    texts.push((await ask(app.addresses.admin, { path: '/metrics', headers: { host: 'admin' } })).body);
  return merged(texts);
}

async function httpTraffic(near: Sidecar, far: Sidecar, programs: Programs): Promise<void> {
  near.meant.outbound = service('detect');
  await ask(near.outbound, { method: 'POST', body: 'hello', headers: { host: 'catalog.shop' } });
  const h2 = new H2Client(near.outbound);
  await h2.ask({ ':path': '/', ':method': 'POST' }, 'hello');
  h2.close();
  near.meant.outbound = service('grpc');
  const grpc = new GrpcClient(near.outbound);
  await grpc.unary('hello');
  grpc.close();
  // Not from a sidecar.
  far.meant.inbound = { ip: IP, port: programs.http };
  await ask(far.inbound, { headers: { host: 'catalog.shop' } });
}

async function byteTraffic(near: Sidecar, far: Sidecar, programs: Programs): Promise<void> {
  for (const to of ['opaque', 'detect'] as const) {
    near.meant.outbound = service(to);
    const client = new RawClient(near.outbound);
    client.socket.write(OPAQUE);
    // What detection finds to be no HTTP goes to the HTTP program, which says so.
    await until(`an answer (${to})`, () => client.text !== '', DEADLINE_MS);
    client.socket.destroy();
  }
  near.meant.outbound = service('tls');
  await tlsHello(near.outbound);
  far.meant.inbound = { ip: IP, port: programs.tls };
  await tlsHello(far.inbound);
}

async function refusedTraffic(near: Sidecar, far: Sidecar, programs: Programs): Promise<void> {
  near.meant.outbound = service('empty');
  await ask(near.outbound, { headers: { host: 'catalog.shop' } });
  near.meant.outbound = service('emptyOpaque');
  await untilClosed(new RawClient(near.outbound));
  for (const port of [programs.denied, programs.routed]) {
    far.meant.inbound = { ip: IP, port };
    await ask(far.inbound, { from: ELSEWHERE, headers: { host: 'catalog.shop' } });
  }
  far.meant.inbound = { ip: IP, port: programs.deniedOpaque };
  const denied = new RawClient(far.inbound, ELSEWHERE);
  denied.socket.end();
  await untilClosed(denied);
}

async function echoed(sidecar: Sidecar, port: number): Promise<RawClient> {
  sidecar.meant.inbound = { ip: IP, port };
  const client = new RawClient(sidecar.inbound, ELSEWHERE);
  client.socket.write(OPAQUE);
  await until('the echo', () => client.text.length === OPAQUE.length, DEADLINE_MS);
  return client;
}

async function untilClosed(client: RawClient): Promise<void> {
  client.socket.resume();
  await until('the end', () => client.closed, DEADLINE_MS);
}

async function tlsHello(to: Address): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const socket = connectTls({ host: to.ip, port: to.port, servername: 'app.example', rejectUnauthorized: false });
    socket.on('error', reject);
    socket.on('data', () => {
      socket.destroy();
      resolve();
    });
  });
}

// ---------------------------------------------------------------------------------------------------------------
// Programs and sidecars

async function startPrograms(stack: AsyncDisposableStack): Promise<Programs> {
  const listen = async (server: Server): Promise<number> => {
    const sockets = new Set<Socket>();
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((resolve) => server.listen(0, IP, resolve));
    stack.defer(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  };
  const material = await (await TestAnchor.create('of the programs')).material({ dns: ['app.example'] });
  const grpc = await grpcApp(IP, { unary: (call, answer) => answer(null, call.request) });
  stack.defer(() => grpc.close());
  return {
    http: await listen(createHttpServer((request, response) => void request.pipe(response))),
    opaque: await listen(createTcpServer((socket) => void socket.pipe(socket))),
    tls: await listen(createTlsServer({ key: material.key, cert: material.chain }, (socket) => void socket.end('hi'))),
    grpc: grpc.port,
    denied: await listen(createTcpServer()),
    deniedOpaque: await listen(createTcpServer()),
    routed: await listen(createTcpServer()),
  };
}

async function sidecar(
  stack: AsyncDisposableStack,
  plane: Plane,
  account: string,
  ports: readonly number[],
): Promise<Sidecar> {
  const folder = await mkdtemp(join(tmpdir(), 'mesh-proxy-'));
  stack.defer(() => rm(folder, { recursive: true }));
  const token = join(folder, 'token');
  await writeFile(token, 'token');
  const env = {
    ...proxyEnv(plane, account, token),
    LINKERD2_PROXY_INBOUND_PORTS: ports.join(','),
    LINKERD2_PROXY_OUTBOUND_CONNECT_TIMEOUT: '10s',
  };
  const meant: Sidecar['meant'] = { outbound: service('detect'), inbound: undefined };
  const app: ProxyApp = new ProxyApp(parseProxyConfig(env), {
    driver: createNodeDriver({
      originalDst: (_, local) =>
        local.port === app.addresses.inbound.port ? (meant.inbound ?? local) : meant.outbound,
    }),
    clock: systemClock,
    sink: () => undefined,
    env,
    version: 'test',
  });
  stack.use(app);
  await app.start();
  const [out] = app.addresses.outbound;
  if (out === undefined) throw new Error('no outbound listener');
  return { app, outbound: out, inbound: app.addresses.inbound, meant };
}

const service = (port: ServicePort): Address => ({ ip: '10.0.0.80', port: SERVICE_PORT[port] });

// ---------------------------------------------------------------------------------------------------------------
// What the control plane says

function denying(): inbound.Server {
  return inbound.Server.fromPartial({ ...ALLOW_ALL, authorizations: [] });
}

/** @returns What tells the sidecars another policy of the opaque program's port. */
function inboundPolicies(plane: Plane, programs: Programs): readonly ((server: inbound.Server) => void)[] {
  const watches: ((server: inbound.Server) => void)[] = [];
  const route = (host: string) => ({
    metadata: { kind: { $case: 'default' as const, value: 'only' } },
    hosts: [{ match: { $case: 'exact' as const, value: host } }],
    authorizations: ALLOW_ALL.authorizations,
    rules: [{}],
  });
  const kindOf = (port: number): inbound.ProxyProtocol['kind'] => {
    if (port === programs.opaque || port === programs.deniedOpaque) return { $case: 'opaque', value: {} };
    if (port === programs.grpc) return { $case: 'grpc', value: { routes: [] } };
    const timeout = durationFromMs(10_000);
    const httpRoutes = port === programs.routed ? [route('other.example')] : [];
    return inbound.ProxyProtocol.fromPartial({ kind: { $case: 'detect', value: { timeout, httpRoutes } } }).kind;
  };
  plane.plane.watchPort = (stream) => {
    const { port } = stream.request;
    if (port === programs.opaque) watches.push((server) => stream.send(withKind(server, kindOf(port))));
    const allowed = port !== programs.denied && port !== programs.deniedOpaque;
    stream.send(withKind(allowed ? ALLOW_ALL : denying(), kindOf(port)));
  };
  return watches;
}

function withKind(server: inbound.Server, kind: inbound.ProxyProtocol['kind']): inbound.Server {
  return { ...server, protocol: { kind } };
}

function outboundPolicies(plane: Plane, far: Sidecar, programs: Programs): void {
  const meshed = (port: number): destination.WeightedAddr => ({
    ...endpoint(port, { identity: `catalog.shop.${TRUST_DOMAIN}`, transportPort: far.inbound.port }),
    metricLabels: { deployment: 'catalog', pod: 'catalog-0', zone_locality: 'local' },
  });
  const programOf = new Map<number, number>([
    [SERVICE_PORT.detect, programs.http],
    [SERVICE_PORT.opaque, programs.opaque],
    [SERVICE_PORT.tls, programs.tls],
    [SERVICE_PORT.grpc, programs.grpc],
  ]);
  plane.plane.get = (stream) => {
    const program = programOf.get(Number(stream.request.path.split(':')[1]));
    const addrs = program === undefined ? [] : [meshed(program)];
    const metricLabels = { service: 'catalog', namespace: 'shop' };
    stream.send({ update: { $case: 'add', value: { addrs, metricLabels } } });
  };
  plane.plane.watchOutbound = (stream) => {
    const { target } = stream.request;
    const port = target?.$case === 'addr' ? target.value.port : 0;
    const metadata = serviceRef(port);
    stream.send(outbound.OutboundPolicy.fromPartial({ metadata, protocol: { kind: protocolOf(port) } }));
  };
}

const serviceRef = (port: number) => ({
  kind: {
    $case: 'resource' as const,
    value: { group: 'core', kind: 'Service', name: 'catalog', namespace: 'shop', port },
  },
});
const named = (name: string) => ({ kind: { $case: 'default' as const, value: name } });

function protocolOf(port: number): outbound.ProxyProtocol['kind'] {
  const backend = {
    metadata: serviceRef(port),
    queue: { capacity: 100, failfastTimeout: durationFromMs(200) },
    kind: {
      $case: 'balancer' as const,
      value: {
        discovery: { kind: { $case: 'dst' as const, value: { path: `catalog.shop.svc.cluster.local:${port}` } } },
        load: {
          $case: 'peakEwma' as const,
          value: { defaultRtt: durationFromMs(30), decay: durationFromMs(10_000) },
        },
      },
    },
  };
  const backends = { kind: { $case: 'firstAvailable' as const, value: { backends: [{ backend }] } } };
  const backoff = { minBackoff: durationFromMs(10), maxBackoff: durationFromMs(20), jitterRatio: 0 };
  const retry = { maxRetries: 1, maxRequestBytes: 1024, conditions: {}, backoff };
  const http = { routes: [{ metadata: named('http'), rules: [{ backends, retry }] }] };
  const bytes = { routes: [{ metadata: named('opaq'), rules: [{ backends }] }] };
  const fromPartial = outbound.ProxyProtocol.fromPartial.bind(outbound.ProxyProtocol);
  switch (port) {
    case SERVICE_PORT.opaque:
    case SERVICE_PORT.emptyOpaque:
      return fromPartial({ kind: { $case: 'opaque', value: bytes } }).kind;
    case SERVICE_PORT.tls: {
      const routes = [{ metadata: named('tls'), rules: [{ backends }] }];
      return fromPartial({ kind: { $case: 'tls', value: { routes } } }).kind;
    }
    case SERVICE_PORT.grpc: {
      const routes = [{ metadata: named('grpc'), rules: [{ backends, retry }] }];
      return fromPartial({ kind: { $case: 'grpc', value: { routes } } }).kind;
    }
    default: {
      const timeout = durationFromMs(10_000);
      return fromPartial({ kind: { $case: 'detect', value: { timeout, http1: http, http2: http, opaque: bytes } } })
        .kind;
    }
  }
}

/** As one scrape: a family that both have is declared once. */
function merged(texts: readonly string[]): string {
  const declared = new Set<string>();
  return texts
    .flatMap((text) => text.split('\n'))
    .filter((line) => {
      if (!line.startsWith('# TYPE ')) return true;
      const isNew = !declared.has(line);
      declared.add(line);
      return isNew;
    })
    .join('\n');
}
