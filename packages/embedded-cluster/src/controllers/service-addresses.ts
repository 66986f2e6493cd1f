/** LoadBalancer Services: an address of the cluster's range in their status. */
import type { AddressPool } from '../pod-net/address-block.ts';
import { Controller, type Reconciled } from './controller.ts';
import type { ControllerDeps } from './informers.ts';
import { RESOURCES } from './kinds.ts';

export function createServiceAddressController(deps: ControllerDeps, pool: AddressPool): Controller {
  const { client, informers, log } = deps;
  const held = new Map<string, string>();
  const reconcile = async (key: string): Promise<Reconciled> => {
    const service = informers.services.get(key);
    const wanted = service?.spec.type === 'LoadBalancer' && service.metadata.deletionTimestamp === undefined;
    if (!wanted) {
      const address = held.get(key);
      held.delete(key);
      if (address !== undefined) pool.release(address);
      if (service?.status?.loadBalancer?.ingress !== undefined)
        await write(service.metadata.namespace, service.metadata.name, null);
      return undefined;
    }
    const shown = service.status?.loadBalancer?.ingress?.[0]?.ip;
    const address = held.get(key) ?? claim(shown) ?? claim(service.spec.loadBalancerIP) ?? pool.allocate();
    held.set(key, address);
    if (shown !== address)
      await write(service.metadata.namespace, service.metadata.name, [{ ip: address, ipMode: 'VIP' }]);
    return undefined;
  };
  const claim = (address: string | undefined): string | undefined =>
    address !== undefined && pool.claim(address) ? address : undefined;
  const write = async (namespace: string | undefined, name: string, ingress: object | null): Promise<void> => {
    const body = { status: { loadBalancer: { ingress } } };
    informers.services.observe(
      await client.patch(RESOURCES.services, namespace, name, { type: 'merge', body, subresource: 'status' }),
    );
  };
  const controller = new Controller('service-addresses', reconcile, log);
  informers.services.onChange((_service, _before, key) => controller.enqueue(key));
  return controller;
}
