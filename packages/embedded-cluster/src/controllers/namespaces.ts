/** Namespaces: what each new one contains, and taking everything away from one that is deleted. */
import { hasReason } from '../api/status-error.ts';
import type { ResourceRef } from '../api/types.ts';
import { Controller, type Reconciled } from './controller.ts';
import type { ControllerDeps } from './informers.ts';
import { type Namespace, RESOURCES } from './kinds.ts';

const CA_CONFIG_MAP = 'kube-root-ca.crt';
const CA_NOTE = 'kubernetes.io/description';
const RECHECK_MS = 50;

export interface NamespaceDeps extends ControllerDeps {
  /** PEM of the API server's CA. */
  readonly caPem: string;
  /** Every namespaced resource that can be listed and deleted, custom ones included. */
  namespacedResources(): readonly ResourceRef[];
}

/** Keeps the `default` service account and the CA's ConfigMap in every namespace. */
export function createNamespaceContentController(deps: NamespaceDeps): Controller {
  const { client, informers, caPem, log } = deps;
  const reconcile = async (namespace: string): Promise<Reconciled> => {
    const object = informers.namespaces.get(namespace);
    if (object === undefined || object.metadata.deletionTimestamp !== undefined) return undefined;
    if (informers.serviceAccounts.get(`${namespace}/default`) === undefined) {
      const account = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default', namespace } };
      await existing(client.create(RESOURCES.serviceAccounts, account));
    }
    const held = informers.configMaps.get(`${namespace}/${CA_CONFIG_MAP}`);
    const data = { 'ca.crt': caPem };
    if (held === undefined) {
      const annotations = {
        [CA_NOTE]:
          'Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc.',
      };
      await existing(
        client.create(RESOURCES.configMaps, {
          apiVersion: 'v1',
          kind: 'ConfigMap',
          metadata: { name: CA_CONFIG_MAP, namespace, annotations },
          data,
        }),
      );
    } else if (held.data?.['ca.crt'] !== caPem) {
      await client.patch(RESOURCES.configMaps, namespace, CA_CONFIG_MAP, { type: 'merge', body: { data } });
    }
    return undefined;
  };
  const controller = new Controller('namespace-content', reconcile, log);
  informers.namespaces.onChange((_object, _before, key) => controller.enqueue(key));
  informers.serviceAccounts.onChange((object, before) => {
    if (object === undefined && before?.metadata.name === 'default')
      controller.enqueue(before.metadata.namespace ?? '');
  });
  informers.configMaps.onChange((object, before) => {
    const changed = object ?? before;
    if (changed?.metadata.name === CA_CONFIG_MAP) controller.enqueue(changed.metadata.namespace ?? '');
  });
  return controller;
}

async function existing(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists')) throw error;
  }
}

/** Empties a deleted namespace, then lets it go by removing the `kubernetes` finalizer of its spec. */
export function createNamespaceTerminationController(deps: NamespaceDeps): Controller {
  const { informers, log } = deps;
  const reconcile = async (name: string): Promise<Reconciled> => {
    const namespace = informers.namespaces.get(name);
    if (namespace?.metadata.deletionTimestamp === undefined) return undefined;
    const left = await empty(deps, name);
    if (left > 0) return { requeueAfterMs: RECHECK_MS };
    await finalize(deps, namespace);
    return undefined;
  };
  const controller = new Controller('namespace-termination', reconcile, log);
  informers.namespaces.onChange((_object, _before, key) => controller.enqueue(key));
  return controller;
}

/** @returns how many objects are still there */
async function empty(deps: NamespaceDeps, namespace: string): Promise<number> {
  let left = 0;
  for (const resource of deps.namespacedResources()) {
    const { items } = await deps.client.list(resource, { namespace });
    left += items.length;
    for (const { metadata } of items) {
      if (metadata.deletionTimestamp !== undefined) continue;
      try {
        await deps.client.delete(resource, namespace, metadata.name ?? '', { propagationPolicy: 'Background' });
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
      }
    }
  }
  return left;
}

async function finalize(deps: NamespaceDeps, namespace: Namespace): Promise<void> {
  const finalizers = (namespace.spec?.finalizers ?? []).filter((each) => each !== 'kubernetes');
  const object = { ...namespace, spec: { ...namespace.spec, finalizers } };
  try {
    await deps.client.update(RESOURCES.namespaces, object, { subresource: 'finalize' });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}
