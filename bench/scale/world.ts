/** Many peers and one importer, each with a Kubernetes API of its own (in memory, over HTTP). Peers show what they export as views. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  ENDPOINT_SLICES,
  EXPORTED_ENDPOINTS,
  EXPORTED_SERVICES,
  kubeConfigText,
  LINKS,
  NAMESPACES,
  SECRETS,
} from '@mesh/kube';
import type { EndpointSlice, ExportedService } from '@mesh/kube';
import { FakeApi, FakeApiServer } from '@mesh/kube/testing';
import { MIRROR_NAMESPACE } from '../mirror/mirror-process.ts';

/** Services are spread over this many namespaces. */
const NAMESPACES_COUNT = 20;
const ENDPOINTS_PER_OBJECT = 250;

export interface Requests {
  readonly home: number;
  readonly homeWrites: number;
  readonly peers: number;
}

const WRITES: ReadonlySet<string> = new Set(['create', 'replace', 'patch', 'delete', 'apply']);

export class ScaleWorld implements AsyncDisposable {
  readonly home = new FakeApi({ historyMax: 1_000 });
  readonly peers: FakeApi[] = [];
  readonly #servers: FakeApiServer[] = [];
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'mesh-bench-scale-'));

  static async create(links: number, services: number): Promise<ScaleWorld> {
    const world = new ScaleWorld();
    const { home } = world;
    home.seed(NAMESPACES, { metadata: { name: MIRROR_NAMESPACE } });
    for (let index = 0; index < NAMESPACES_COUNT; index += 1)
      home.seed(NAMESPACES, { metadata: { name: `ns-${index}` } });
    for (let index = 0; index < links; index += 1) {
      const peer = await world.addPeer(`peer-${index}`);
      for (let service = 0; service < services; service += 1) exportService(peer, service, true);
    }
    writeFileSync(world.kubeconfig, await world.#serve('home', home));
    return world;
  }

  get kubeconfig(): string {
    return path.join(this.#folder, 'kubeconfig');
  }

  async addPeer(cluster: string): Promise<FakeApi> {
    const peer = new FakeApi({ historyMax: 1_000 });
    this.peers.push(peer);
    const config = await this.#serve(cluster, peer);
    this.home.seed(SECRETS, {
      metadata: { name: `cluster-credentials-${cluster}`, namespace: MIRROR_NAMESPACE },
      data: { kubeconfig: Buffer.from(config).toString('base64') },
    });
    this.home.seed(LINKS, {
      metadata: {
        name: cluster,
        namespace: MIRROR_NAMESPACE,
        annotations: { 'federation.mesh.dev/export-namespaces': MIRROR_NAMESPACE },
      },
      spec: {
        targetClusterName: cluster,
        clusterCredentialsSecret: `cluster-credentials-${cluster}`,
        gatewayAddress: '192.0.2.1',
        gatewayPort: '4143',
        gatewayIdentity: 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local',
        selector: { matchLabels: { 'mirror.linkerd.io/exported': 'true' } },
        remoteDiscoverySelector: { matchLabels: { 'mirror.linkerd.io/exported': 'remote-discovery' } },
      },
    });
    return peer;
  }

  /** Slices of mirrors. */
  get slices(): readonly EndpointSlice[] {
    return this.home.peekAll(ENDPOINT_SLICES);
  }

  /** Requests so far. */
  get requests(): Requests {
    return {
      home: this.home.calls.length,
      homeWrites: this.home.calls.filter(({ verb }) => WRITES.has(verb)).length,
      peers: this.peers.reduce((sum, peer) => sum + peer.calls.length, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#servers.map((server) => server[Symbol.asyncDispose]()));
    rmSync(this.#folder, { recursive: true });
  }

  async #serve(name: string, api: FakeApi): Promise<string> {
    const server = new FakeApiServer(api);
    this.#servers.push(server);
    await server.start();
    return kubeConfigText({ name, server: server.url, caPem: undefined, token: 'token' });
  }
}

const labelsOf = (name: string, exported: string): Readonly<Record<string, string>> => ({
  app: name,
  'mirror.linkerd.io/exported': exported,
});

export const namespaceOf = (index: number): string => `ns-${index % NAMESPACES_COUNT}`;

/** A Service that peers reach through the gateway. */
export function exportService(peer: FakeApi, index: number, ready: boolean): void {
  const name = `svc-${index}`;
  peer.seed<ExportedService>(EXPORTED_SERVICES, {
    metadata: { name: `${name}.${namespaceOf(index)}`, namespace: MIRROR_NAMESPACE },
    spec: {
      service: { namespace: namespaceOf(index), name },
      modes: ['gateway'],
      labels: labelsOf(name, 'true'),
      annotations: { 'balancer.linkerd.io/failure-accrual': 'consecutive' },
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      ready,
    },
  });
}

/** A Service with many pods that peers reach without a gateway. */
export function exportFlat(peer: FakeApi, endpoints: number): void {
  const service = { namespace: namespaceOf(0), name: 'flat' };
  const full = `${service.name}.${service.namespace}`;
  for (let from = 0; from < endpoints; from += ENDPOINTS_PER_OBJECT) {
    const count = Math.min(ENDPOINTS_PER_OBJECT, endpoints - from);
    peer.seed(EXPORTED_ENDPOINTS, {
      metadata: {
        name: `${full}.v4-${from / ENDPOINTS_PER_OBJECT}`,
        namespace: MIRROR_NAMESPACE,
        labels: { 'federation.mesh.dev/exported-service': full },
      },
      spec: {
        service,
        addressType: 'IPv4',
        ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
        endpoints: Array.from({ length: count }, (_, at) => ({
          addresses: [ipOf(from + at)],
          ready: true,
          zone: 'zone-a',
          identity: `flat.${service.namespace}.serviceaccount.identity.linkerd.cluster.local`,
          inboundPort: 4143,
          podName: `flat-${from + at}`,
        })),
      },
    });
  }
  peer.seed<ExportedService>(EXPORTED_SERVICES, {
    metadata: { name: full, namespace: MIRROR_NAMESPACE },
    spec: {
      service,
      modes: ['flat'],
      labels: labelsOf('flat', 'remote-discovery'),
      ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      ready: true,
    },
  });
}

/** A change of the endpoints of a Service that nobody exports. */
export function changeUnexported(peer: FakeApi, index: number, generation: number): void {
  const name = `inner-${index}`;
  peer.seed<EndpointSlice>(ENDPOINT_SLICES, {
    metadata: { name, namespace: namespaceOf(index), labels: { 'kubernetes.io/service-name': name } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [ipOf(generation)], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 8080 }],
  });
}

function ipOf(index: number): string {
  return `10.${100 + ((index >> 16) & 63)}.${(index >> 8) & 255}.${index & 255}`;
}
