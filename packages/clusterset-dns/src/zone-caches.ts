/** Keeps the zone like the cluster: watches ServiceImports and the slices that multi-cluster Services label. */
import { ENDPOINT_SLICES, Informer, SERVICE_IMPORTS } from '@mesh/kube';
import type { EndpointSlice, KubeClient, ServiceImport } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { PATH_LABEL, SOURCE_CLUSTER_LABEL } from './service-records.ts';
import { SERVICE_NAME_LABEL } from './zone.ts';
import type { ClustersetZone } from './zone.ts';

export interface ZoneCachesDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly zone: ClustersetZone;
}

export class ZoneCaches implements Component {
  readonly name = 'zone caches';
  readonly #imports: Informer<ServiceImport>;
  readonly #slices: Informer<EndpointSlice>;

  constructor({ zone, ...deps }: ZoneCachesDeps) {
    this.#imports = new Informer({ kind: SERVICE_IMPORTS, transform: trimImport }, deps);
    this.#slices = new Informer(
      { kind: ENDPOINT_SLICES, labelSelector: SERVICE_NAME_LABEL, transform: trimSlice },
      deps,
    );
    this.#imports.onChange(({ type, object }) => {
      if (type === 'deleted') zone.removeImport(object);
      else zone.applyImport(object);
    });
    this.#slices.onChange(({ type, object, previous }) => {
      // Its label may say another Service now.
      if (previous !== undefined) zone.removeSlice(previous);
      if (type === 'deleted') zone.removeSlice(object);
      else zone.applySlice(object);
    });
  }

  /** Resolves when both were read whole; retries until then. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#imports.start(signal), this.#slices.start(signal)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.#imports[Symbol.asyncDispose](), this.#slices[Symbol.asyncDispose]()]);
  }

  get synced(): boolean {
    return this.#imports.synced && this.#slices.synced;
  }

  /** How old the zone may be: 0 while the API is heard. */
  get stalenessMs(): number {
    return Math.max(this.#imports.stalenessMs, this.#slices.stalenessMs);
  }

  get sliceCount(): number {
    return this.#slices.size;
  }
}

function trimImport({ metadata, spec }: ServiceImport): ServiceImport {
  const { type, ports, ips } = spec;
  return { metadata: trimMeta(metadata), spec: { type, ports: ports ?? [], ...(ips === undefined ? {} : { ips }) } };
}

function trimSlice({ metadata, addressType, endpoints, ports }: EndpointSlice): EndpointSlice {
  const labels = Object.fromEntries(
    [SERVICE_NAME_LABEL, SOURCE_CLUSTER_LABEL, PATH_LABEL].flatMap((label) => {
      const value = metadata.labels?.[label];
      return value === undefined ? [] : [[label, value]];
    }),
  );
  return {
    metadata: { ...trimMeta(metadata), labels },
    addressType,
    endpoints: (endpoints ?? []).map(({ addresses, hostname, conditions }) => ({
      addresses,
      ...(hostname === undefined ? {} : { hostname }),
      ...(conditions?.ready === undefined ? {} : { conditions: { ready: conditions.ready } }),
    })),
    ...(ports === undefined ? {} : { ports }),
  };
}

function trimMeta({ name, namespace, uid, resourceVersion }: ServiceImport['metadata']): ServiceImport['metadata'] {
  return {
    name,
    ...(namespace === undefined ? {} : { namespace }),
    ...(uid === undefined ? {} : { uid }),
    ...(resourceVersion === undefined ? {} : { resourceVersion }),
  };
}
