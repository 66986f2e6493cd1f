/** Our own rows: the real sidecar on Bun and on Node. */
import type { BenchCertificates } from '../lib/certificates.ts';
import type { Program } from '../lib/programs.ts';
import type { Address } from './haproxy-config.ts';
import type { Running, RowSpec } from './row.ts';
import {
  endpoint,
  identityOf,
  missingRuntime,
  OUTBOUND_PORT,
  RUNTIMES,
  startBackend,
  startControlPlane,
  startSidecar,
} from './sidecar.ts';
import type { Runtime } from './sidecar.ts';

/** The certificates of the rivals are not used: our sidecars get theirs as they always do, from an identity service. */
export function meshRows(_certificates: BenchCertificates): RowSpec[] {
  return RUNTIMES.flatMap((runtime, index) => [
    row('hop', runtime, (backend) => startHop(runtime, `127.9.1.${index + 1}`, backend)),
    row('mtls-pair', runtime, (backend) => startPair(runtime, `127.9.2.${index + 1}`, `127.9.3.${index + 1}`, backend)),
    row('tcp-pair', runtime, (backend) =>
      startPair(runtime, `127.9.4.${index + 1}`, `127.9.5.${index + 1}`, backend, { opaque: true }),
    ),
  ]);
}

function row(scenario: string, runtime: Runtime, start: RowSpec['start']): RowSpec {
  return {
    scenario,
    proxy: 'mesh',
    runtime: runtime.name,
    missing: () => missingRuntime(runtime),
    start,
  };
}

async function startHop(runtime: Runtime, ip: string, backend: Address): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  plane.endpoints = [endpoint(backend)];
  const sidecar = await startSidecar(stack, runtime, plane, 'web', ip);
  return running({ host: ip, port: OUTBOUND_PORT }, [sidecar], stack.move());
}

export async function startPair(
  runtime: Runtime,
  clientIp: string,
  serverIp: string,
  backend: Address,
  { opaque = false }: { readonly opaque?: boolean } = {},
): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack, opaque);
  plane.endpoints = [
    endpoint({ host: serverIp, port: backend.port }, { identity: identityOf('catalog'), sidecar: serverIp }),
  ];
  await startBackend(stack, serverIp, backend.port);
  const back = await startSidecar(stack, runtime, plane, 'catalog', serverIp);
  const front = await startSidecar(stack, runtime, plane, 'web', clientIp);
  return running({ host: clientIp, port: OUTBOUND_PORT }, [front, back], stack.move());
}

function running(entry: Address, programs: readonly Program[], stack: AsyncDisposableStack): Running {
  return {
    entry,
    pids: programs.map((program) => program.pid),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}
