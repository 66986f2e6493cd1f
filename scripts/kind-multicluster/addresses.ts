/**
 * Addresses for Services of type LoadBalancer. Some node images assign them; where nothing does, as on kind's own, an address of the
 * Docker network is put on a node and into the Service's status: kube-proxy takes it from there.
 */
import { SERVICES } from '@mesh/kube';
import type { Service } from '@mesh/kube';
import { nodesOf } from '../home/kind-home.ts';
import type { KindMember } from '../home/kind-home.ts';
import { runProgram } from '../home/program.ts';
import { pause, until } from '../home/wait.ts';
import { freeAddress } from './plan.ts';

/** A controller that is there assigns at once; after this long there is none. */
const CONTROLLER_TIMEOUT_MS = 4_000;

/** Resolves when every LoadBalancer Service of the cluster has an address. */
export async function ensureAddresses(cluster: KindMember, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + CONTROLLER_TIMEOUT_MS;
  for (;;) {
    const waiting = (await loadBalancers(cluster)).filter((service) => addressOf(service) === undefined);
    if (waiting.length === 0) return;
    if (performance.now() > deadline) {
      for (const service of waiting) await assign(cluster, service);
      return;
    }
    await pause(250, signal);
  }
}

/** The first address of a Service of type LoadBalancer. */
export function addressOf(service: Service): string | undefined {
  const [ingress] = service.status?.loadBalancer?.ingress ?? [];
  return ingress?.ip ?? ingress?.hostname;
}

async function loadBalancers(cluster: KindMember): Promise<readonly Service[]> {
  return (await cluster.client.list(SERVICES)).items.filter((service) => service.spec?.type === 'LoadBalancer');
}

async function assign(cluster: KindMember, service: Service): Promise<void> {
  const [node] = await nodesOf(cluster.name);
  if (node === undefined) throw new Error(`${cluster.name} has no node`);
  const nodeIp = (
    await runProgram('docker', ['inspect', '-f', '{{.NetworkSettings.Networks.kind.IPAddress}}', node])
  ).trim();
  const used = new Set((await loadBalancers(cluster)).flatMap((each) => addressOf(each) ?? []));
  const ip = freeAddress(nodeIp, used);
  await runProgram('docker', ['exec', node, 'ip', 'address', 'replace', `${ip}/32`, 'dev', 'eth0']);
  const { name, namespace = '' } = service.metadata;
  const body = { status: { loadBalancer: { ingress: [{ ip }] } } };
  await cluster.client.patch(SERVICES, { namespace, name }, { type: 'merge', body, subresource: 'status' });
  await until(
    `Service ${namespace}/${name} to have its address`,
    async () => addressOf((await cluster.client.get(SERVICES, { namespace, name })) ?? service) === ip,
    { timeoutMs: 10_000 },
  );
}
