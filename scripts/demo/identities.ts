/** The identities at both ends of a crossing request, as each end saw the other; nothing here is computed from names. */
import { MC_NAMESPACE } from '../home/install-mesh.ts';
import { podsOf } from '../home/rollout.ts';
import type { RequestRecord } from '../home/traffic.ts';
import type { Identities } from './document.ts';
import type { DemoState } from './state.ts';

const GATEWAY_ADMIN_PORT = 9994;

/** @throws Error when an end saw no identity: the hop was not mutually authenticated. */
export async function seenIdentities(state: DemoState, record: RequestRecord | undefined): Promise<Identities> {
  const gateway = record?.caller?.clientId ?? '';
  const client = /(?:^|[;,]\s*)for="?([^;,"]+)/.exec(record?.caller?.forwarded ?? '')?.[1] ?? '';
  const server = await serverIdentity(state);
  const missing = Object.entries({ client, gateway, server }).filter(([, identity]) => identity === '');
  if (missing.length > 0)
    throw new Error(`no ${missing.map(([end]) => end).join(' and no ')} identity was seen on crossing requests`);
  return { client, gateway, server };
}

/** The gateway's metrics name the server that it verified. */
async function serverIdentity(state: DemoState): Promise<string> {
  for (const pod of await podsOf(state.west.client, MC_NAMESPACE, 'app=linkerd-gateway')) {
    const path = `/api/v1/namespaces/${MC_NAMESPACE}/pods/${pod.metadata.name}:${GATEWAY_ADMIN_PORT}/proxy/metrics`;
    const { status, text } = await state.west.client.raw(path);
    const found = status === 200 ? /server_id="(catalog\.shop\.[^"]+)"/.exec(text)?.[1] : undefined;
    if (found !== undefined) return found;
  }
  return '';
}
