/** A pod to inject, what it is injected with, and ways to look at the result. */
import assert from 'node:assert/strict';

import type { Container, Pod } from '@mesh/kube';

import { injectPod } from '../injector/inject.ts';
import type { InjectionContext } from '../injector/inject.ts';
import type { PatchOperation } from '../injector/json-patch.ts';
import { DEFAULT_INJECTION_VALUES } from '../injector/values.ts';

export const CONTEXT: InjectionContext = {
  values: {
    ...DEFAULT_INJECTION_VALUES,
    proxy: { ...DEFAULT_INJECTION_VALUES.proxy, image: { name: 'mesh-proxy', version: '1.2.3', pullPolicy: '' } },
  },
  controlPlaneNamespace: 'linkerd',
  trustAnchorsPem: '-----BEGIN CERTIFICATE-----\nYW5jaG9y\n-----END CERTIFICATE-----\n',
  namespace: { name: 'shop', annotations: { 'linkerd.io/inject': 'enabled' } },
  createdBy: 'linkerd/proxy-injector 1.2.3',
};

export const POD: Pod = {
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: {
    name: '',
    generateName: 'catalog-5d8f-',
    namespace: 'shop',
    labels: { app: 'catalog', 'pod-template-hash': '5d8f' },
    ownerReferences: [
      { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'catalog-5d8f', uid: 'rs-1', controller: true },
    ],
  },
  spec: {
    containers: [
      {
        name: 'app',
        image: 'shop:1',
        ports: [
          { name: 'http', containerPort: 8080 },
          { name: 'db', containerPort: 3306 },
          { name: 'dns', containerPort: 53, protocol: 'UDP' },
        ],
        readinessProbe: { httpGet: { path: '/ready', port: 9090 } },
      },
    ],
    initContainers: [{ name: 'migrate', image: 'shop:1' }],
    volumes: [{ name: 'data', emptyDir: {} }],
  },
};

export function injected(pod: Pod, context: InjectionContext = CONTEXT): Pod {
  const injection = injectPod(pod, context);
  assert.ok(injection.kind === 'injected');
  return injection.pod;
}

export function withAnnotations(annotations: Record<string, string>): Pod {
  return { ...POD, metadata: { ...POD.metadata, annotations } };
}

export function envOf(pod: Pod, name: string): string | undefined {
  const containers: readonly Container[] = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
  return containers.find((one) => one.name === 'linkerd-proxy')?.env?.find((one) => one.name === name)?.value;
}

/** RFC 6902, as far as our own patches go. */
export function applyPatch(document: unknown, operations: readonly PatchOperation[]): unknown {
  let root = structuredClone(document) as Record<string, unknown>;
  for (const { op, path, value } of operations) {
    const keys = path
      .split('/')
      .slice(1)
      .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = keys.pop();
    if (last === undefined) {
      root = value as Record<string, unknown>;
      continue;
    }
    let at: unknown = root;
    for (const key of keys) at = (at as Record<string, unknown>)[key];
    if (Array.isArray(at) && op === 'add') at.splice(last === '-' ? at.length : Number(last), 0, value);
    else if (op === 'remove') delete (at as Record<string, unknown>)[last];
    else (at as Record<string, unknown>)[last] = value;
  }
  return root;
}
