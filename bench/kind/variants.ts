/** The pods that are measured: the same programs without a sidecar, and with one on Bun or on Node. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Manifest } from '@mesh/cli';

/** `none`: no sidecar. */
export const VARIANTS = ['none', 'bun', 'node'] as const;
export type Variant = (typeof VARIANTS)[number];
export type Meshed = Exclude<Variant, 'none'>;
export const MESHED: readonly Meshed[] = ['bun', 'node'];

export const NAMESPACE = 'bench-sidecar';
export const APP = 'app';
export const SIDECAR = 'linkerd-proxy';
/** Where the programs of `bench/kind/pod` are in every pod. */
export const PROGRAMS = '/bench';

/** An image for every program: it has Node, and `npm run kind` puts it on the nodes. */
const IMAGE = 'shop:1';
const SIDECAR_IMAGES: Readonly<Record<Meshed, string>> = { bun: 'mesh-proxy', node: 'mesh-proxy-node' };
const PORT = 8080;

/** Namespace, ServiceAccount and programs. The label lets the scenarios of `test/e2e` clear away what an interrupted run has left. */
export async function baseManifests(): Promise<readonly Manifest[]> {
  const program = (name: string): Promise<string> => readFile(path.join(import.meta.dirname, 'pod', name), 'utf8');
  const data = { 'server.mjs': await program('server.mjs'), 'load.mjs': await program('load.mjs') };
  const labels = { 'federation.mesh.dev/e2e': 'true' };
  return [
    { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE, labels } },
    { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'bench', namespace: NAMESPACE } },
    { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'programs', namespace: NAMESPACE }, data },
  ];
}

export interface PodOptions {
  readonly name: string;
  readonly variant: Variant;
  /** All pods are on one node, so that no network is between them. */
  readonly node: string;
  /** Of the sidecar and of the program each: without one, the rest of a busy node takes all. */
  readonly cpuRequest: string;
}

/** A pod that runs the server; `load.mjs` is started in it with `kubectl exec`. */
export function podManifest({ name, variant, node, cpuRequest }: PodOptions): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: NAMESPACE, labels: { app: name }, annotations: annotationsOf(variant, cpuRequest) },
    spec: {
      serviceAccountName: 'bench',
      terminationGracePeriodSeconds: 1,
      nodeSelector: { 'kubernetes.io/hostname': node },
      containers: [
        {
          name: APP,
          image: IMAGE,
          imagePullPolicy: 'IfNotPresent',
          command: ['/usr/bin/node', `${PROGRAMS}/server.mjs`],
          ports: [{ name: 'http', containerPort: PORT }],
          resources: { requests: { cpu: cpuRequest } },
          volumeMounts: [{ name: 'programs', mountPath: PROGRAMS }],
        },
      ],
      volumes: [{ name: 'programs', configMap: { name: 'programs' } }],
    },
  };
}

/** A Service of the pod's name, port 80. */
export function serviceManifest(pod: string): Manifest {
  const ports = [{ name: 'http', port: 80, targetPort: PORT }];
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: pod, namespace: NAMESPACE },
    spec: { selector: { app: pod }, ports },
  };
}

function annotationsOf(variant: Variant, cpuRequest: string): Readonly<Record<string, string>> {
  if (variant === 'none') return { 'linkerd.io/inject': 'disabled' };
  return {
    'linkerd.io/inject': 'enabled',
    // Whatever `proxy.runtime` the mesh was installed with.
    'config.linkerd.io/proxy-image': SIDECAR_IMAGES[variant],
    'config.linkerd.io/proxy-cpu-request': cpuRequest,
  };
}
