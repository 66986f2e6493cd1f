/** What holds the connections in the connection benchmarks: sidecars and HAProxy, once accepting mTLS, once as a pair for opaque TCP. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createKeyPair, createRequest, pemOf, privateKeyPem } from '@mesh/pki';
import type { TlsMaterial } from '@mesh/net';
import { identity } from '@mesh/proxy-api';
import { encodeTransportHeader, TRANSPORT_ALPN } from '@mesh/wire';
import type { Plane } from '../../packages/proxy/test/control-plane-fixture.ts';
import { BACKEND_PORT } from '../lib/backends.ts';
import type { BenchCertificates } from '../lib/certificates.ts';
import type { Program } from '../lib/programs.ts';
import type { Site } from '../proxy/flow.ts';
import { tlsServer } from '../proxy/haproxy-config.ts';
import type { Address } from '../proxy/haproxy-config.ts';
import { startPair } from '../proxy/mesh.ts';
import { lacking, startHaproxy, startHaproxyPair } from '../proxy/rivals.ts';
import {
  identityOf,
  INBOUND_PORT,
  missingRuntime,
  RUNTIMES,
  startControlPlane,
  startSidecar,
} from '../proxy/sidecar.ts';
import type { Runtime } from '../proxy/sidecar.ts';
import { Holder } from './holder-process.ts';
import type { HolderPlan } from './holder.ts';

/** A proxy process under observation. */
export interface Watched {
  readonly role: 'accepting' | 'opening';
  readonly program: Program;
}

export const CONNECTION_SCENARIOS = ['mtls-accept', 'tcp-pair'] as const;

export interface ConnectionScenario {
  /** `mtls-accept`: HTTP/1.1 over mTLS, one process accepting. `tcp-pair`: opaque, each process has a plain and an mTLS end per connection. */
  readonly scenario: (typeof CONNECTION_SCENARIOS)[number];
  readonly proxy: 'mesh' | 'haproxy';
  readonly runtime: string;
  readonly missing: () => string | undefined;
  /** Starts all of it; `stack` ends it. */
  readonly start: (
    stack: AsyncDisposableStack,
  ) => Promise<{ readonly holder: Holder; readonly watched: readonly Watched[] }>;
}

const NO_PREFACE = new Uint8Array(0);

export function connectionScenarios(certificates: BenchCertificates, site: Site): ConnectionScenario[] {
  const ours = RUNTIMES.flatMap((runtime): ConnectionScenario[] => [
    {
      scenario: 'mtls-accept',
      proxy: 'mesh',
      runtime: runtime.name,
      missing: () => missingRuntime(runtime),
      start: (stack) => startAccepting(stack, runtime, site),
    },
    {
      scenario: 'tcp-pair',
      proxy: 'mesh',
      runtime: runtime.name,
      missing: () => missingRuntime(runtime),
      async start(stack) {
        const pair = stack.use(await startPair(runtime, site, { opaque: true }));
        return { holder: hold(stack, pair.entry, undefined, NO_PREFACE), watched: ends(pair.programs) };
      },
    },
  ]);
  return [
    {
      scenario: 'mtls-accept',
      proxy: 'haproxy',
      runtime: 'native',
      missing: lacking('haproxy'),
      async start(stack) {
        const listen = { host: site.nextIp(), port: 8443 };
        const { client, server, serverName } = certificates;
        const program = stack.use(await startHaproxy(tlsServer(listen, site.backend, server, 'http'), listen));
        const read = (file: string): string => readFileSync(file, 'utf8');
        const material = { key: read(client.key), chain: read(client.chain), trust: read(client.trust) };
        const holder = hold(stack, listen, { material, serverName }, NO_PREFACE);
        return { holder, watched: [{ role: 'accepting', program }] };
      },
    },
    {
      scenario: 'tcp-pair',
      proxy: 'haproxy',
      runtime: 'native',
      missing: lacking('haproxy'),
      async start(stack) {
        const running = stack.use(await startHaproxyPair(certificates, site, 'tcp'));
        return { holder: hold(stack, running.entry, undefined, NO_PREFACE), watched: ends(running.programs) };
      },
    },
    ...ours,
  ];
}

/** A sidecar whose peers are authenticated and speak HTTP/1.1 after a transport header. */
async function startAccepting(
  stack: AsyncDisposableStack,
  runtime: Runtime,
  site: Site,
): ReturnType<ConnectionScenario['start']> {
  const plane = await startControlPlane(stack);
  const ip = site.nextIp();
  await site.startBackend(stack, ip);
  const sidecar = await startSidecar(stack, runtime, plane, 'catalog', ip);
  const tls = { material: await certified(plane, 'web'), serverName: identityOf('catalog'), alpn: TRANSPORT_ALPN };
  const preface = encodeTransportHeader({ port: BACKEND_PORT, name: '', session: 'http1' });
  const holder = hold(stack, { host: ip, port: INBOUND_PORT }, tls, preface);
  return { holder, watched: [{ role: 'accepting', program: sidecar }] };
}

/** The client-side process is the first of a pair. */
function ends(programs: readonly Program[]): Watched[] {
  return programs.map((program, index) => ({ role: index === 0 ? 'opening' : 'accepting', program }));
}

function hold(stack: AsyncDisposableStack, to: Address, tls: HolderPlan['tls'], preface: Uint8Array): Holder {
  const folder = mkdtempSync(join(tmpdir(), 'mesh-bench-holder-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const plan: HolderPlan = {
    ip: to.host,
    port: to.port,
    preface: Buffer.from(preface).toString('base64'),
    ...(tls === undefined ? {} : { tls }),
  };
  const file = join(folder, 'plan.json');
  writeFileSync(file, JSON.stringify(plan), { mode: 0o600 });
  return stack.use(new Holder(file));
}

/** An identity of the control plane's trust domain, as a sidecar of that account gets it. */
async function certified(plane: Plane, account: string): Promise<TlsMaterial> {
  const keys = createKeyPair();
  const name = identityOf(account);
  const answer = await plane.plane.certify(
    identity.CertifyRequest.fromPartial({ identity: name, certificateSigningRequest: await createRequest(keys, name) }),
  );
  const chain = [answer.leafCertificate, ...answer.intermediateCertificates].map((der) => pemOf('CERTIFICATE', der));
  return { key: privateKeyPem(keys.privateKey), chain: chain.join(''), trust: plane.trustPem };
}
