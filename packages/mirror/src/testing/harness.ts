/** A home cluster with a mirror in it, and peers, all in memory. */
import { ENDPOINT_SLICES, kubeConfigText, KubeError, LINKS, NAMESPACES, SECRETS, SERVICES } from '@mesh/kube';
import type {
  EndpointSlice,
  KubeClient,
  KubeObject,
  Link,
  LinkSpec,
  ResourceKind,
  Service,
  ServicePort,
  WriteOptions,
} from '@mesh/kube';
import { eventually, FakeApi } from '@mesh/kube/testing';
import { silentLogger, systemClock } from '@mesh/runtime';
import { Mirror } from '../app.ts';
import type { MirrorOptions } from '../app.ts';
import { FakeGateways } from './fake-gateways.ts';

export const LINK_NAMESPACE = 'linkerd-multicluster';
export const EXPORTED = { 'mirror.linkerd.io/exported': 'true' };
export const FEDERATED = { 'mirror.linkerd.io/federated': 'member' };

export interface ServiceOptions {
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly ports?: readonly ServicePort[];
  readonly headless?: boolean;
  readonly type?: 'ExternalName';
  /** Its endpoints are kept by hand: the slice carries none of the Service's labels. */
  readonly unselected?: boolean;
  /** Ready endpoints; default 1. */
  readonly ready?: number;
}

/** Puts a Service with its slice into a cluster, the slice labelled as the Service is. */
export function exportService(api: FakeApi, name: string, options: ServiceOptions = {}): void {
  const { namespace = 'shop', labels = EXPORTED, annotations = {}, ready = 1 } = options;
  api.seed<Service>(SERVICES, {
    metadata: { name, namespace, labels, annotations },
    spec: {
      ...(options.type === undefined ? {} : { type: options.type }),
      clusterIP: options.headless === true ? 'None' : '10.0.0.1',
      ...(options.unselected === true ? {} : { selector: { app: name } }),
      ports: options.ports ?? [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
    },
  });
  setReady(api, name, ready, options);
}

export function setReady(api: FakeApi, name: string, ready: number, options: ServiceOptions = {}): void {
  const { namespace = 'shop', labels = EXPORTED } = options;
  api.seed<EndpointSlice>(ENDPOINT_SLICES, {
    metadata: {
      name: `${name}-abc`,
      namespace,
      labels: { ...(options.unselected === true ? {} : labels), 'kubernetes.io/service-name': name },
    },
    addressType: 'IPv4',
    endpoints: Array.from({ length: Math.max(1, ready) }, (_, index) => ({
      addresses: [`10.1.0.${index + 1}`],
      conditions: { ready: index < ready },
    })),
    ports: [{ name: 'http', port: 8080 }],
  });
}

export function linkObject(
  cluster: string,
  spec: LinkSpec = {},
  annotations: Readonly<Record<string, string>> = {},
): Link {
  return {
    metadata: { name: cluster, namespace: LINK_NAMESPACE, annotations },
    spec: {
      targetClusterName: cluster,
      targetClusterDomain: 'cluster.local',
      clusterCredentialsSecret: `cluster-credentials-${cluster}`,
      gatewayAddress: '192.0.2.1',
      gatewayPort: '4143',
      gatewayIdentity: 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local',
      probeSpec: { path: '/ready', port: '4191', period: '3s' },
      selector: { matchLabels: EXPORTED },
      remoteDiscoverySelector: { matchLabels: { 'mirror.linkerd.io/exported': 'remote-discovery' } },
      federatedServiceSelector: { matchLabels: FEDERATED },
      ...spec,
    },
  };
}

export class Harness implements AsyncDisposable {
  readonly home = new FakeApi();
  readonly peers = new Map<string, FakeApi>();
  readonly gateways = new FakeGateways();
  /** The token that each peer accepts. */
  readonly tokens = new Map<string, string>();
  readonly dns = new Map<string, readonly string[]>();
  readonly #mirrors: Mirror[] = [];

  constructor() {
    for (const name of ['shop', LINK_NAMESPACE]) this.home.seed(NAMESPACES, { metadata: { name } });
  }

  /** A peer, without a Link to it. */
  peer(cluster: string): FakeApi {
    let api = this.peers.get(cluster);
    if (api === undefined) {
      api = new FakeApi();
      this.peers.set(cluster, api);
      this.tokens.set(cluster, 'right');
    }
    return api;
  }

  /** A peer with Secret and Link at home. */
  link(cluster: string, spec: LinkSpec = {}, annotations: Readonly<Record<string, string>> = {}): FakeApi {
    const api = this.peer(cluster);
    this.secret(cluster, 'right');
    this.home.seed(LINKS, linkObject(cluster, spec, annotations));
    return api;
  }

  secret(cluster: string, token: string): void {
    const text = kubeConfigText({ name: cluster, server: `https://${cluster}.invalid`, caPem: undefined, token });
    this.rawSecret(cluster, { kubeconfig: Buffer.from(text).toString('base64') });
  }

  rawSecret(cluster: string, data: Readonly<Record<string, string>>): void {
    this.home.seed(SECRETS, { metadata: { name: `cluster-credentials-${cluster}`, namespace: LINK_NAMESPACE }, data });
  }

  /** @param client Of the home cluster; another one may fail. */
  async start(options: Partial<MirrorOptions> = {}, client = this.home.client()): Promise<Mirror> {
    const mirror = new Mirror(
      {
        namespace: LINK_NAMESPACE,
        replica: `mirror-${this.#mirrors.length}`,
        enableNamespaceCreation: false,
        leaseDurationMs: 1000,
        leaseRenewMs: 50,
        statusIntervalMaxMs: 20,
        ...options,
      },
      {
        client: withClusterIps(client, this.home),
        clock: systemClock,
        logger: silentLogger,
        logControl: { level: 'off' },
        lookup: (host) => {
          const ips = this.dns.get(host);
          return ips === undefined ? Promise.reject(new Error(`getaddrinfo ENOTFOUND ${host}`)) : Promise.resolve(ips);
        },
        connectProbe: this.gateways.connect,
        connectCluster: (access) => {
          const cluster = access.contextName;
          const api = this.peers.get(cluster);
          if (api === undefined) throw new Error(`no peer ${cluster}`);
          return guarded(api, async () => {
            const { headers } = await access.credentials.authorize();
            return headers['authorization'] === `Bearer ${this.tokens.get(cluster)}`;
          });
        },
      },
    );
    this.#mirrors.push(mirror);
    await mirror.start(AbortSignal.timeout(10_000));
    return mirror;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const mirror of this.#mirrors) await mirror[Symbol.asyncDispose]();
  }

  service(key: string): Service | undefined {
    return this.home.peek(SERVICES, key);
  }

  slice(key: string): EndpointSlice | undefined {
    return this.home.peek(ENDPOINT_SLICES, key);
  }

  /** Readiness by address of a slice at home. */
  ready(key: string): Readonly<Record<string, boolean>> {
    const endpoints = this.slice(key)?.endpoints ?? [];
    return Object.fromEntries(
      endpoints.map(({ addresses, conditions }) => [addresses[0] ?? '', conditions?.ready === true]),
    );
  }

  linkStatus(cluster: string): Link['status'] {
    return this.home.peek(LINKS, `${LINK_NAMESPACE}/${cluster}`)?.status;
  }

  /** Waits for a Link condition with this reason. */
  async condition(
    cluster: string,
    type: string,
    reason: string,
  ): Promise<{ readonly status: string; readonly message: string }> {
    return eventually(`condition ${type}=${reason} on ${cluster}`, () => {
      const found = this.linkStatus(cluster)?.conditions?.find((condition) => condition.type === type);
      if (found?.reason !== reason) throw new Error(JSON.stringify(found));
      return found;
    });
  }

  /** Waits for the status item of a Service to have this reason. */
  async item(
    cluster: string,
    name: string,
    reason: string,
    list: 'mirrorServices' | 'federatedServices' = 'mirrorServices',
  ): Promise<{ readonly status: string; readonly message: string }> {
    return eventually(`item ${name}=${reason} on ${cluster}`, () => {
      const found = this.linkStatus(cluster)?.[list]?.find((item) => item.remoteRef.name === name)?.conditions[0];
      if (found?.reason !== reason) throw new Error(JSON.stringify(found));
      return found;
    });
  }
}

/** A client that the peer refuses while `isAllowed` says so. */
function guarded(api: FakeApi, isAllowed: () => Promise<boolean>): ReturnType<FakeApi['client']> {
  const client = api.client();
  const check = async (): Promise<void> => {
    if (!(await isAllowed()))
      throw new KubeError({ code: 'unauthorized', object: 'services', status: 401 }, 'services: Unauthorized');
  };
  return new Proxy(client, {
    get(target, property, receiver) {
      const value: unknown = Reflect.get(target, property, receiver);
      if (property === 'list') {
        return async (...args: Parameters<typeof client.list>) => {
          await check();
          return target.list(...args);
        };
      }
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

/** The allocator of cluster IPs, which the API in memory has not. */
function withClusterIps(client: KubeClient, api: FakeApi): KubeClient {
  return new Proxy(client, {
    get(target, property) {
      const value: unknown = Reflect.get(target, property, target);
      if (property === 'create') {
        return (kind: ResourceKind, object: KubeObject, options?: WriteOptions) =>
          target.create(kind, kind.kind === SERVICES.kind ? allocated(object, api) : object, options);
      }
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
  });
}

function allocated(service: Service, api: FakeApi): Service {
  if (service.spec?.clusterIP !== undefined) return service;
  const used = new Set(api.peekAll(SERVICES).map((one) => one.spec?.clusterIP));
  let last = 1;
  while (used.has(`10.96.0.${last}`)) last += 1;
  return { ...service, spec: { ...service.spec, clusterIP: `10.96.0.${last}` } };
}
