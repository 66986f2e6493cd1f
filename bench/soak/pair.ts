/** The sidecars of the soak: one for the caller, two for the endpoints of the Service that it calls; certificates are renewed all the time, one endpoint comes and goes. */
import { fileURLToPath } from 'node:url';
import { destination } from '@mesh/proxy-api';
import { BACKEND_PORT } from '../lib/backends.ts';
import { LOAD_CPU, pinned, startProgram, untilListening } from '../lib/programs.ts';
import type { Program } from '../lib/programs.ts';
import type { Loopback } from '../lib/loopback.ts';
import type { Address } from '../proxy/haproxy-config.ts';
import { endpoint, identityOf, OUTBOUND_PORT, startControlPlane, startSidecar } from '../proxy/sidecar.ts';
import type { Runtime } from '../proxy/sidecar.ts';

/** A sidecar renews when 70 % of a certificate's time are over. */
const CERTIFICATE_MS = 28_000;
const ENDPOINT_CHANGE_MS = 7000;

export interface SoakPair {
  readonly entry: Address;
  readonly sidecars: readonly { readonly name: string; readonly program: Program }[];
  /** Certificates issued so far. */
  readonly certificates: () => number;
}

export async function startSoakPair(
  stack: AsyncDisposableStack,
  runtime: Runtime,
  loopback: Loopback,
): Promise<SoakPair> {
  const plane = await startControlPlane(stack);
  let certificates = 0;
  const { certify } = plane.plane;
  plane.plane.certify = async (request) => {
    certificates += 1;
    return { ...(await certify(request)), validUntil: new Date(Date.now() + CERTIFICATE_MS) };
  };
  const servers = [loopback.next(), loopback.next()];
  plane.endpoints = servers.map((ip) =>
    endpoint({ host: ip, port: BACKEND_PORT }, { identity: identityOf('catalog'), sidecar: ip }),
  );
  const [, fickle] = plane.endpoints;
  changeEndpoint(stack, plane, fickle);
  const sidecars: { name: string; program: Program }[] = [];
  for (const [index, ip] of servers.entries()) {
    await startBackend(stack, ip);
    const name = `server ${index + 1}`;
    sidecars.push({ name, program: await startSidecar(stack, runtime, plane, 'catalog', ip) });
  }
  const clientIp = loopback.next();
  sidecars.unshift({ name: 'client', program: await startSidecar(stack, runtime, plane, 'web', clientIp) });
  return { entry: { host: clientIp, port: OUTBOUND_PORT }, sidecars, certificates: () => certificates };
}

/** Takes an endpoint out of its Service and puts it in again, on all streams that watch. */
function changeEndpoint(
  stack: AsyncDisposableStack,
  { plane }: Awaited<ReturnType<typeof startControlPlane>>,
  fickle: destination.WeightedAddr | undefined,
): void {
  if (fickle === undefined) return;
  const streams = new Set<Parameters<typeof plane.get>[0]>();
  const { get } = plane;
  plane.get = (stream) => {
    get(stream);
    streams.add(stream);
  };
  let isThere = true;
  const change = (): void => {
    isThere = !isThere;
    for (const stream of streams) {
      if (stream.cancelled) streams.delete(stream);
      else stream.send(isThere ? added(fickle) : removed(fickle));
    }
  };
  const timer = setInterval(change, ENDPOINT_CHANGE_MS);
  stack.defer(() => clearInterval(timer));
}

function added(address: destination.WeightedAddr): destination.Update {
  return destination.Update.fromPartial({
    update: { $case: 'add', value: { addrs: [address], metricLabels: { service: 'catalog', namespace: 'shop' } } },
  });
}

function removed({ addr }: destination.WeightedAddr): destination.Update {
  return destination.Update.fromPartial({
    update: { $case: 'remove', value: { addrs: addr === undefined ? [] : [addr] } },
  });
}

async function startBackend(stack: AsyncDisposableStack, ip: string): Promise<void> {
  const file = fileURLToPath(new URL('mixed-backend.ts', import.meta.url));
  const program = stack.use(startProgram(pinned(LOAD_CPU, [process.execPath, file, ip, String(BACKEND_PORT)])));
  await untilListening(ip, BACKEND_PORT, program);
}
