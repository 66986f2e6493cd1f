/**
 * What this cluster exports, and to whom: Services that are labelled (gateway mode, federation) or have a ServiceExport, and the
 * ExportPolicies that say which peers may use which of their ports. `allowedPorts` of the model decides, as it does for what peers can read.
 */
import { EXPORT_POLICIES, Informer, keyOf, matchesSelector, SERVICE_EXPORTS, SERVICES } from '@mesh/kube';
import type { ExportPolicy, KubeClient, Service, ServiceExport } from '@mesh/kube';
import { allowedPorts } from '@mesh/model';
import type { ExportRule } from '@mesh/model';
import type { Clock, Component, Logger } from '@mesh/runtime';
import type { TargetName } from './service-name.ts';
import { startOptional } from './start-optional.ts';

/** Labels that make a Service reachable. Flat exports too: a Service that changes its mode is still reached the old way until its mirrors have followed. */
const EXPORT_SELECTORS = [
  'mirror.linkerd.io/exported in (true,remote-discovery)',
  'mirror.linkerd.io/federated=member',
] as const;
/** A Service of another cluster: to send there from here would make a chain, or a loop. */
const IMPORTED_LABELS = ['mirror.linkerd.io/mirrored-service', 'federation.mesh.dev/service-import'] as const;
const BY_NAMESPACE = 'namespace';

export type ExportDecision = 'allowed' | 'not_exported' | 'not_exported_to_peer';

type Deps = { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger };

export class Exports implements Component {
  readonly name = 'exports';
  readonly #deps: Deps;
  readonly #labelled: readonly Informer<Service>[];
  readonly #serviceExports: Informer<ServiceExport>;
  readonly #policies: Informer<ExportPolicy>;
  /** Every Service, from the first ServiceExport on: these name Services that no label tells. */
  #all: Informer<Service> | undefined;
  readonly #listeners = new Set<(namespace: string) => void>();

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#labelled = EXPORT_SELECTORS.map((labelSelector) => this.#services(labelSelector));
    this.#serviceExports = new Informer({ kind: SERVICE_EXPORTS }, deps);
    this.#policies = new Informer(
      { kind: EXPORT_POLICIES, indexes: { [BY_NAMESPACE]: ({ metadata }) => [metadata.namespace ?? ''] } },
      deps,
    );
    this.#serviceExports.onChange(({ object }) => {
      this.#followAll();
      this.#notify(object.metadata.namespace);
    });
    this.#policies.onChange(({ object }) => this.#notify(object.metadata.namespace));
  }

  /** Resolves once it is known what is exported to whom. Later outages leave what was known. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([
      ...this.#labelled.map((informer) => informer.start(signal)),
      startOptional(this.#serviceExports, signal),
      startOptional(this.#policies, signal),
    ]);
    await this.#all?.start(signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = this.#all === undefined ? [] : [this.#all];
    const informers = [...this.#labelled, ...all, this.#serviceExports, this.#policies];
    await Promise.all(informers.map((informer) => informer[Symbol.asyncDispose]()));
  }

  /** Seconds since the lists of Services were last known to be current; 0 while connected. */
  get stalenessSeconds(): number {
    return Math.max(...this.#labelled.map((informer) => informer.stalenessMs)) / 1000;
  }

  /** Exported Services, each counted once. */
  get count(): number {
    const keys = new Set<string>();
    for (const informer of this.#labelled) {
      for (const service of informer.list()) if (isTarget(service)) keys.add(keyOf(service.metadata));
    }
    for (const { metadata } of this.#serviceExports.list()) {
      const key = keyOf(metadata);
      if (this.#find(key) !== undefined) keys.add(key);
    }
    return keys.size;
  }

  /** @param peer Name of the client's Peer; undefined: its cluster is not known, and only what is for all is for it. */
  decide({ namespace, name, hostname }: TargetName, port: number, peer: string | undefined): ExportDecision {
    const service = this.#find(keyOf({ namespace, name }));
    const ports = (service?.spec?.ports ?? []).filter((one) => one.port === port && one.protocol !== 'UDP');
    if (service === undefined || ports.length === 0) return 'not_exported';
    if (hostname !== undefined && service.spec?.clusterIP !== 'None') return 'not_exported';
    return allowedPorts(ports, this.#rulesOf(service), peer).length > 0 ? 'allowed' : 'not_exported_to_peer';
  }

  /** Calls `listener` with a namespace whenever what it exports may have changed. */
  onChange(listener: (namespace: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #find(key: string): Service | undefined {
    const labelled = this.#labelled.map((informer) => informer.get(key)).find((service) => service !== undefined);
    const service = labelled ?? (this.#serviceExports.get(key) === undefined ? undefined : this.#all?.get(key));
    return service !== undefined && isTarget(service) ? service : undefined;
  }

  #rulesOf({ metadata }: Service): readonly ExportRule[] {
    return this.#policies
      .byIndex(BY_NAMESPACE, metadata.namespace ?? '')
      .map(({ spec }) => spec)
      .filter(
        ({ serviceSelector }) => serviceSelector === undefined || matchesSelector(serviceSelector, metadata.labels),
      );
  }

  #services(labelSelector: string | undefined): Informer<Service> {
    const selector = labelSelector === undefined ? {} : { labelSelector };
    const informer = new Informer({ kind: SERVICES, ...selector, transform: trim }, this.#deps);
    informer.onChange(({ object }) => {
      // Of all Services only those with a ServiceExport concern anybody.
      const concerns = labelSelector !== undefined || this.#serviceExports.get(keyOf(object.metadata)) !== undefined;
      if (concerns) this.#notify(object.metadata.namespace);
    });
    return informer;
  }

  #followAll(): void {
    if (this.#all !== undefined || this.#serviceExports.size === 0) return;
    this.#all = this.#services(undefined);
    this.#all.run();
  }

  #notify(namespace = ''): void {
    for (const listener of this.#listeners) listener(namespace);
  }
}

/** Only Services with endpoints of their own here. */
function isTarget({ metadata, spec }: Service): boolean {
  if (metadata.deletionTimestamp !== undefined || spec?.type === 'ExternalName') return false;
  return IMPORTED_LABELS.every((label) => metadata.labels?.[label] === undefined);
}

/** What decisions look at. */
function trim({ metadata, spec }: Service): Service {
  const { name, namespace, uid, resourceVersion, labels, deletionTimestamp } = metadata;
  const { clusterIP, type, ports = [] } = spec ?? {};
  return {
    metadata: defined({ name, namespace, uid, resourceVersion, labels, deletionTimestamp }),
    spec: {
      ...defined({ clusterIP, type }),
      ports: ports.map((one) => defined({ name: one.name, port: one.port, protocol: one.protocol })),
    },
  };
}

/** Without what is undefined. */
function defined<T extends object>(object: T): { [K in keyof T]: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(object).filter(([, value]) => value !== undefined)) as never;
}
