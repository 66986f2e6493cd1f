/** Our own flows: the real sidecar on Bun and on Node. */
import { BACKEND_PORT } from '../lib/backends.ts';
import { PROTOCOLS } from '../lib/protocols.ts';
import type { Protocol } from '../lib/protocols.ts';
import { running } from './flow.ts';
import type { FlowSpec, Running, Site } from './flow.ts';
import type { Scenario } from './matrix.ts';
import {
  endpoint,
  identityOf,
  missingRuntime,
  OUTBOUND_PORT,
  RUNTIMES,
  startControlPlane,
  startSidecar,
} from './sidecar.ts';
import type { Runtime } from './sidecar.ts';

/** Certificates come as they always do, from an identity service. */
export function meshFlows(): FlowSpec[] {
  return RUNTIMES.flatMap((runtime) => [
    ...PROTOCOLS.flatMap((protocol) => [
      flow('hop', protocol, runtime, (site) => startHop(runtime, site)),
      flow('mtls-pair', protocol, runtime, (site) => startPair(runtime, site)),
    ]),
    flow('tcp-pair', 'http1', runtime, (site) => startPair(runtime, site, { opaque: true })),
  ]);
}

function flow(scenario: Scenario, protocol: Protocol, runtime: Runtime, start: FlowSpec['start']): FlowSpec {
  return { scenario, protocol, proxy: 'mesh', runtime: runtime.name, missing: () => missingRuntime(runtime), start };
}

async function startHop(runtime: Runtime, site: Site): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack);
  plane.endpoints = [endpoint(site.backend)];
  const ip = site.nextIp();
  const sidecar = await startSidecar(stack, runtime, plane, 'web', ip);
  return running({ host: ip, port: OUTBOUND_PORT }, [sidecar], stack.move());
}

/**
 * The program of the meshed pod has its sidecar's own address, as in a pod, so the pair has a server of its own behind it.
 *
 * @param options.opaque Every connection passes as bytes.
 */
export async function startPair(
  runtime: Runtime,
  site: Pick<Site, 'startBackend' | 'nextIp'>,
  { opaque = false }: { readonly opaque?: boolean } = {},
): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const plane = await startControlPlane(stack, opaque);
  const [clientIp, serverIp] = [site.nextIp(), site.nextIp()];
  plane.endpoints = [
    endpoint({ host: serverIp, port: BACKEND_PORT }, { identity: identityOf('catalog'), sidecar: serverIp }),
  ];
  await site.startBackend(stack, serverIp);
  const back = await startSidecar(stack, runtime, plane, 'catalog', serverIp);
  const front = await startSidecar(stack, runtime, plane, 'web', clientIp);
  return running({ host: clientIp, port: OUTBOUND_PORT }, [front, back], stack.move());
}
