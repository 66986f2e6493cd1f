/** What the cluster tests share: a cluster with test images, shapes of workloads, waiting. */
import { get } from 'node:http';
import { get as getSecure } from 'node:https';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { createLogger, stderrSink } from '@mesh/runtime';
import {
  type Cluster,
  type ClusterOptions,
  createCluster,
  type Images,
  type KubeObject,
  type ResourceRef,
} from '../src/index.ts';

const DEADLINE_MS = 15_000;

const fixture = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

export const IMAGES: Images = {
  node: { command: [process.execPath], programs: { node: process.execPath } },
  app: { command: [process.execPath, fixture('fixtures/app.mjs')] },
  'mesh-proxy': { command: [process.execPath, fixture('../src/pod-net/fixtures/proxy.mjs')] },
};

export const CORE = (plural: string): ResourceRef => ({ group: '', version: 'v1', plural });
export const APPS = (plural: string): ResourceRef => ({ group: 'apps', version: 'v1', plural });
export const SLICES: ResourceRef = { group: 'discovery.k8s.io', version: 'v1', plural: 'endpointslices' };

export function testCluster(options: Partial<ClusterOptions> = {}): Promise<Cluster> {
  const log = createLogger({ control: { level: 'warn' }, format: 'plain', sink: stderrSink });
  return createCluster({ name: 'test', images: IMAGES, log, backoffFirstMs: 20, ...options });
}

/** Tries until it returns something other than undefined or false; the last failure is the reason when time is up. */
export async function eventually<T>(what: string, attempt: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + DEADLINE_MS;
  let last: unknown;
  for (;;) {
    try {
      const result = await attempt();
      if (result !== undefined && result !== false) return result;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`never: ${what}`, { cause: last });
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function body(host: string, port: number, path = '/'): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = get({ host, port, path, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve(text));
      response.on('error', reject);
    });
    request.on('error', reject);
  });
}

/** Over HTTPS with the credentials of the kubeconfig. */
export function apiGet(cluster: Cluster, path: string): Promise<string> {
  const { clusters, users } = parse(cluster.kubeconfig) as { clusters: unknown[]; users: unknown[] };
  const data = (object: unknown, group: string, field: string): string =>
    Buffer.from(String(at(object, group, field)), 'base64').toString();
  const ca = data(clusters[0], 'cluster', 'certificate-authority-data');
  const cert = data(users[0], 'user', 'client-certificate-data');
  const key = data(users[0], 'user', 'client-key-data');
  return new Promise((resolve, reject) => {
    const request = getSecure(`${cluster.apiServer.url}${path}`, { ca, cert, key, agent: false }, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve(text));
    });
    request.on('error', reject);
  });
}

type Fields = Readonly<Record<string, unknown>>;

export function deployment(name: string, replicas: number, podSpec: Fields, namespace = 'default'): KubeObject {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace },
    spec: { replicas, selector: { matchLabels: labels }, template: { metadata: { labels }, spec: podSpec } },
  };
}

export function service(name: string, spec: Fields = {}, namespace = 'default'): KubeObject {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace },
    spec: { selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
  };
}

export const APP: Fields = {
  name: 'app',
  image: 'app',
  ports: [{ name: 'http', containerPort: 8080 }],
  readinessProbe: { httpGet: { path: '/', port: 'http' }, periodSeconds: 1 },
  env: [{ name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
};

/** What the injector makes of a pod: the init container, then the proxy as a native sidecar. */
export function injected(containers: readonly Fields[]): Fields {
  const init = {
    name: 'linkerd-init',
    image: 'registry.test/mesh-proxy:v1',
    args: [
      'proxy-init',
      '--incoming-proxy-port',
      '4143',
      '--outgoing-proxy-port',
      '4140',
      '--proxy-uid',
      '2102',
      '--inbound-ports-to-ignore',
      '4190,4191,4567-4568',
      '--outbound-ports-to-ignore',
      '4567-4568',
    ],
  };
  const proxy = {
    name: 'linkerd-proxy',
    image: 'registry.test/mesh-proxy:v1',
    restartPolicy: 'Always',
    securityContext: { runAsUser: 2102 },
    ports: [
      { name: 'linkerd-proxy', containerPort: 4143 },
      { name: 'linkerd-admin', containerPort: 4191 },
    ],
    startupProbe: { tcpSocket: { port: 4191 }, periodSeconds: 1, failureThreshold: 120 },
  };
  return { initContainers: [init, proxy], containers };
}

export function podsOf(cluster: Cluster, app: string): Promise<readonly KubeObject[]> {
  return cluster.client.list(CORE('pods'), { labelSelector: `app=${app}` }).then((list) => list.items);
}

export async function readyEndpoints(cluster: Cluster, name: string): Promise<string[]> {
  const { items } = await cluster.client.list(SLICES, { labelSelector: `kubernetes.io/service-name=${name}` });
  const endpoints = items.flatMap(
    (slice) => slice['endpoints'] as { addresses: string[]; conditions: { ready: boolean } }[],
  );
  return endpoints.filter((each) => each.conditions.ready).flatMap((each) => each.addresses);
}

/** Reads a nested field. */
export function at(object: unknown, ...path: readonly (string | number)[]): unknown {
  let value = object;
  for (const key of path) value = (value as Readonly<Record<string | number, unknown>> | undefined)?.[key];
  return value;
}
