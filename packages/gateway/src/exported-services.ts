/** Which Services of this cluster peers may reach through the gateway: those that are exported through it, or are members of a federated one. */
import { Informer, keyOf, SERVICES } from '@mesh/kube';
import type { KubeClient, Service } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';

/** The labels that make a Service reachable: gateway mode and federation. Flat exports do not pass here. */
export const EXPORT_SELECTORS = ['mirror.linkerd.io/exported=true', 'mirror.linkerd.io/federated=member'] as const;

export interface ServiceName {
  readonly namespace: string;
  readonly name: string;
}

export class ExportedServices implements Component {
  readonly name = 'exported services';
  readonly #informers: readonly Informer<Service>[];
  readonly #listeners = new Set<(key: string) => void>();

  constructor(deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger }) {
    this.#informers = EXPORT_SELECTORS.map(
      (labelSelector) => new Informer({ kind: SERVICES, labelSelector, transform: trim }, deps),
    );
    for (const informer of this.#informers) {
      informer.onChange(({ object }) => {
        for (const listener of this.#listeners) listener(keyOf(object.metadata));
      });
    }
  }

  /** Resolves once the exports are known. Later outages leave the last known ones. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer.start(signal)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#informers.map((informer) => informer[Symbol.asyncDispose]()));
  }

  /** Seconds since the list was last known to be current; 0 while connected. */
  get stalenessSeconds(): number {
    return Math.max(...this.#informers.map((informer) => informer.stalenessMs)) / 1000;
  }

  /** Exported Services; one that is both exported and federated counts once. */
  get count(): number {
    return new Set(this.#informers.flatMap((informer) => informer.list().map((service) => keyOf(service.metadata))))
      .size;
  }

  /** True when peers may reach this port of the Service. */
  has({ namespace, name }: ServiceName, port: number): boolean {
    const key = keyOf({ namespace, name });
    return this.#informers.some(
      (informer) => informer.get(key)?.spec?.ports?.some((one) => one.port === port) === true,
    );
  }

  /** Calls `listener` with `namespace/name` whenever a Service is exported, changed or unexported. */
  onChange(listener: (key: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

/**
 * Reads `<svc>.<ns>.svc.<cluster domain>`; `undefined` for names of anything else. Deeper names (one pod of a stateful set) are
 * not exported.
 */
export function parseServiceName(host: string, clusterDomain: string): ServiceName | undefined {
  const suffix = `.svc.${clusterDomain}`;
  const bare = (host.endsWith('.') ? host.slice(0, -1) : host).toLowerCase();
  if (!bare.endsWith(suffix)) return undefined;
  const [name, namespace, ...more] = bare.slice(0, -suffix.length).split('.');
  if (name === undefined || name === '' || namespace === undefined || namespace === '' || more.length > 0)
    return undefined;
  return { namespace, name };
}

function trim(service: Service): Service {
  const { name, namespace, uid, resourceVersion } = service.metadata;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    spec: { ports: (service.spec?.ports ?? []).map(({ port }) => ({ port })) },
  };
}
