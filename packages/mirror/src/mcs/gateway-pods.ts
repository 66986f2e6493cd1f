/** The pods of this cluster's own gateway, which carry plain connections to peers (ADR 0019). */
import { ENDPOINT_SLICES, Informer } from '@mesh/kube';
import type { EndpointSlice, KubeClient } from '@mesh/kube';
import type { Clock, Logger } from '@mesh/runtime';
import { LABEL_SERVICE_NAME } from '../names.ts';
import type { GatewayPod } from './import-slices.ts';

const GATEWAY_SERVICE = 'linkerd-gateway';

export class GatewayPods implements AsyncDisposable {
  readonly #slices: Informer<EndpointSlice>;

  /** @param namespace Of the multi-cluster extension. */
  constructor(
    namespace: string,
    deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger },
  ) {
    const labelSelector = `${LABEL_SERVICE_NAME}=${GATEWAY_SERVICE}`;
    this.#slices = new Informer({ kind: ENDPOINT_SLICES, namespace, labelSelector }, deps);
  }

  run(onChange: () => void): void {
    this.#slices.onChange(onChange);
    this.#slices.onStatus(onChange);
    this.#slices.run();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#slices[Symbol.asyncDispose]();
  }

  get synced(): boolean {
    return this.#slices.synced;
  }

  /** By address, each once: a pod that moves between slices is ready when it is in one. */
  list(): readonly GatewayPod[] {
    const pods = new Map<string, GatewayPod>();
    for (const { addressType, endpoints } of this.#slices.list()) {
      if (addressType === 'FQDN') continue;
      for (const { addresses, conditions, nodeName } of endpoints ?? []) {
        const [address] = addresses;
        if (address === undefined || conditions?.terminating === true) continue;
        const isReady = conditions?.ready !== false;
        if (pods.get(address)?.isReady === true) continue;
        pods.set(address, { address, isReady, ...(nodeName === undefined ? {} : { nodeName }) });
      }
    }
    return [...pods.values()];
  }
}
