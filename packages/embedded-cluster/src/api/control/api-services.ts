/** One APIService object per group and version that is served, as `kubectl get apiservices` lists them. */
import type { Clock } from '@mesh/runtime';
import { timestamp } from '../machinery.ts';
import type { ResourceTable } from '../resources.ts';
import type { Store } from '../store.ts';
import { beginMeta } from '../object-meta.ts';
import type { KubeObject } from '../types.ts';

const BUCKET = 'apiregistration.k8s.io/apiservices';
/** Marks objects of this controller: others (of add-ons) are left alone. */
const MANAGED_LABEL = 'kube-aggregator.kubernetes.io/automanaged';

/** Keeps the objects in step with the table until the returned function is called. */
export function startApiServices(store: Store, table: ResourceTable, clock: Clock): () => void {
  syncApiServices(store, table, clock);
  return table.onChange(() => queueMicrotask(() => syncApiServices(store, table, clock)));
}

function syncApiServices(store: Store, table: ResourceTable, clock: Clock): void {
  const resource = table.find({ group: 'apiregistration.k8s.io', version: 'v1', plural: 'apiservices' });
  if (resource === undefined) return;
  const wanted = new Set<string>();
  for (const { group, version, custom } of table.all()) {
    const name = `${version}.${group}`;
    if (wanted.has(name)) continue;
    wanted.add(name);
    if (store.get(BUCKET, name) !== undefined) continue;
    const object = apiService(group, version, custom === undefined ? 'onstart' : 'true', timestamp(clock));
    beginMeta(resource, object, clock);
    store.commit(BUCKET, name, object);
  }
  for (const [name, object] of store.iterate(BUCKET)) {
    if (!wanted.has(name) && object.metadata.labels?.[MANAGED_LABEL] !== undefined)
      store.commit(BUCKET, name, undefined);
  }
}

function apiService(group: string, version: string, managed: string, now: string): KubeObject {
  return {
    apiVersion: 'apiregistration.k8s.io/v1',
    kind: 'APIService',
    metadata: { name: `${version}.${group}`, labels: { [MANAGED_LABEL]: managed } },
    spec: {
      ...(group === '' ? {} : { group }),
      groupPriorityMinimum: group === '' ? 18000 : 1000,
      version,
      versionPriority: group === '' ? 1 : 100,
    },
    status: {
      conditions: [
        {
          type: 'Available',
          status: 'True',
          reason: 'Local',
          message: 'Local APIServices are always available',
          lastTransitionTime: now,
        },
      ],
    },
  };
}
