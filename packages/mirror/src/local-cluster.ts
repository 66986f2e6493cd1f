/** This cluster as the mirror sees it: Links and their Secrets, namespaces, all Services, and the slices that we manage. */
import {
  ENDPOINT_SLICES,
  Informer,
  keyOf,
  LINKS,
  NAMESPACES,
  SECRETS,
  SERVICES,
  withoutManagedFields,
} from '@mesh/kube';
import type { EndpointSlice, KubeClient, Link, Namespace, Secret, Service } from '@mesh/kube';
import type { Clock, Component, Logger } from '@mesh/runtime';
import { isMeshAnnotation } from './copy-rules.ts';
import { LABEL_SERVICE_IMPORT } from './exports/names.ts';
import type { MirrorMetrics } from './metrics.ts';
import {
  ANNOTATION_LINK,
  ANNOTATION_PATH,
  LABEL_CLUSTER,
  LABEL_FEDERATED,
  LABEL_MANAGED_BY,
  LABEL_MCS_SERVICE,
  LABEL_MIRRORED,
  LABEL_SERVICE_NAME,
  SLICE_MANAGER,
} from './names.ts';
import { isFederated, isMirrorOf, mirroredService } from './ownership.ts';
import { WrittenStore } from './written-store.ts';

export interface LocalClusterDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: MirrorMetrics;
}

/** A question to our own API server that takes longer is answered by the watch. */
const ASK_TIMEOUT_MS = 5_000;

export class LocalCluster implements Component {
  readonly name = 'local cluster';
  readonly client: KubeClient;
  readonly links: Informer<Link>;
  readonly secrets: Informer<Secret>;
  readonly namespaces: Informer<Namespace>;
  readonly services: WrittenStore<Service>;
  readonly slices: WrittenStore<EndpointSlice>;
  /** Kubernetes' slices of members of federated Services. */
  readonly memberSlices: Informer<EndpointSlice>;

  /** @param namespace Where Links and their Secrets are. */
  constructor(namespace: string, deps: LocalClusterDeps) {
    const { client, clock, metrics } = deps;
    this.client = client;
    this.links = new Informer({ kind: LINKS, namespace }, deps);
    this.secrets = new Informer({ kind: SECRETS, namespace, transform: trimSecret }, deps);
    this.namespaces = new Informer({ kind: NAMESPACES }, deps);
    const services = new Informer<Service>(
      {
        kind: SERVICES,
        transform: trimService,
        indexes: {
          cluster: (service) => valueOf(service.metadata.labels?.[LABEL_CLUSTER]),
          link: (service) => valueOf(service.metadata.annotations?.[ANNOTATION_LINK]),
          source: sourceOf,
          federated: (service) => (isFederated(service) ? ['true'] : []),
        },
      },
      deps,
    );
    const byService = ({ metadata }: EndpointSlice): readonly string[] => {
      const name = metadata.labels?.[LABEL_SERVICE_NAME];
      return name === undefined ? [] : [keyOf({ namespace: metadata.namespace, name })];
    };
    // Slices inherit the labels of their Service.
    this.memberSlices = new Informer<EndpointSlice>(
      { kind: ENDPOINT_SLICES, labelSelector: `${LABEL_FEDERATED}=member`, indexes: { service: byService } },
      deps,
    );
    const slices = new Informer<EndpointSlice>(
      {
        kind: ENDPOINT_SLICES,
        labelSelector: `${LABEL_MANAGED_BY}=${SLICE_MANAGER}`,
        indexes: {
          cluster: (slice) => valueOf(slice.metadata.labels?.[LABEL_CLUSTER]),
          service: byService,
          import: ({ metadata }) => {
            const name = metadata.labels?.[LABEL_MCS_SERVICE];
            return name === undefined ? [] : [keyOf({ namespace: metadata.namespace, name })];
          },
        },
      },
      deps,
    );
    this.services = new WrittenStore(SERVICES, services, {
      client,
      clock,
      onWrite: (verb) => metrics.wrote('services', verb),
    });
    this.slices = new WrittenStore(ENDPOINT_SLICES, slices, {
      client,
      clock,
      onWrite: (verb) => metrics.wrote('endpointslices', verb),
    });
  }

  /** Resolves once everything was listed: decisions need the whole picture. */
  async start(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#informers().map((informer) => informer.start(signal)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#informers().map((informer) => informer[Symbol.asyncDispose]()));
  }

  /** True while our copy of this cluster is known to be current. */
  get connected(): boolean {
    return this.#informers().every((informer) => informer.connected);
  }

  /** Mirrors of a cluster, our unseen writes considered. */
  mirrorsOf(cluster: string): readonly Service[] {
    return this.services.informer
      .byIndex('cluster', cluster)
      .map((service) => this.services.get(keyOf(service.metadata)))
      .filter((service) => service !== undefined && isMirrorOf(service, cluster)) as Service[];
  }

  /** Mirrors that were made for a Link, by its key. */
  mirrorsForLink(link: string): readonly Service[] {
    return this.services.informer
      .byIndex('link', link)
      .filter((service) => this.services.get(keyOf(service.metadata)) !== undefined);
  }

  /** Mirrors that a Link has of one Service of its peer: more than one only after the Link's cluster was renamed. */
  mirrorsFrom(link: string, service: string): readonly Service[] {
    return this.services.informer
      .byIndex('source', `${link}|${service}`)
      .filter((one) => this.services.get(keyOf(one.metadata)) !== undefined);
  }

  slicesOf(cluster: string): readonly EndpointSlice[] {
    return this.slices.informer
      .byIndex('cluster', cluster)
      .filter((slice) => this.slices.get(keyOf(slice.metadata)) !== undefined);
  }

  /**
   * A Secret as it is. Links and Secrets are watched apart, so a Link can be heard of before a Secret that was written earlier: what the
   * watch does not know is asked for once before it counts as missing.
   */
  async secret(ref: { readonly namespace: string | undefined; readonly name: string }): Promise<Secret | undefined> {
    const known = this.secrets.get(keyOf(ref));
    if (known !== undefined) return known;
    try {
      const { items } = await this.client.list(SECRETS, {
        namespace: ref.namespace,
        fieldSelector: `metadata.name=${ref.name}`,
        signal: AbortSignal.timeout(ASK_TIMEOUT_MS),
      });
      return items[0];
    } catch {
      // An API that can't be asked says nothing new: the watch tells as soon as it can.
      return undefined;
    }
  }

  #informers(): readonly Pick<Informer<Link>, 'start' | 'connected' | typeof Symbol.asyncDispose>[] {
    return [this.links, this.secrets, this.namespaces, this.services.informer, this.slices.informer, this.memberSlices];
  }
}

function valueOf(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value];
}

/** The Link and the Service at its peer, for a mirror. */
function sourceOf(service: Service): readonly string[] {
  const { namespace, annotations } = service.metadata;
  const link = annotations?.[ANNOTATION_LINK];
  const name = mirroredService(service);
  return link === undefined || name === undefined ? [] : [`${link}|${keyOf({ namespace, name })}`];
}

/** Mirrors and the Services of imports are kept whole, since they are replaced whole. Of other Services only what conflicts, federation and exports need. */
function trimService(service: Service): Service {
  const { name, namespace, uid, resourceVersion, labels, annotations, deletionTimestamp } = service.metadata;
  if (labels?.[LABEL_MIRRORED] === 'true' || labels?.[LABEL_SERVICE_IMPORT] !== undefined)
    return withoutManagedFields(service);
  const { selector: _selector, ...spec } = service.spec ?? {};
  const kept = Object.entries(annotations ?? {}).filter(([key]) => isMeshAnnotation(key) || key === ANNOTATION_PATH);
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
      ...(labels === undefined ? {} : { labels }),
      ...(kept.length === 0 ? {} : { annotations: Object.fromEntries(kept) }),
      ...(deletionTimestamp === undefined ? {} : { deletionTimestamp }),
    },
    spec,
  };
}

/** Other people's Secrets of the namespace are none of our business: only the kubeconfig is kept. */
function trimSecret(secret: Secret): Secret {
  const kubeconfig = secret.data?.['kubeconfig'];
  const { name, namespace, uid, resourceVersion } = secret.metadata;
  return {
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(uid === undefined ? {} : { uid }),
      ...(resourceVersion === undefined ? {} : { resourceVersion }),
    },
    ...(kubeconfig === undefined ? {} : { data: { kubeconfig } }),
  };
}
