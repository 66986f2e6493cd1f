/** What creation and updates do to an object of a kind before it is validated: status is the status subresource's, and so on. */
import { asObject, cloneJson } from './json.ts';
import type { Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

/** Kinds whose status a creator may set. */
const STATUS_ON_CREATE = new Set(['/nodes', '/persistentvolumes']);
/** Built-in kinds whose status update also takes labels and annotations. */
const STATUS_UPDATES_META = new Set(['/pods', '/nodes', '/namespaces', '/services', '/persistentvolumeclaims', '/persistentvolumes']);

export function hasStatusSubresource(resource: Resource): boolean {
  return resource.subresources.some((subresource) => subresource.name === 'status');
}

export function prepareCreate(resource: Resource, object: KubeObject): void {
  if (hasStatusSubresource(resource) && !STATUS_ON_CREATE.has(resource.bucket)) delete object['status'];
  switch (resource.bucket) {
    case '/namespaces': {
      const spec = asObject(object['spec']) ?? {};
      const finalizers = Array.isArray(spec['finalizers']) ? spec['finalizers'] : [];
      object['spec'] = { ...spec, finalizers: finalizers.includes('kubernetes') ? finalizers : [...finalizers, 'kubernetes'] };
      object['status'] = { phase: 'Active' };
      break;
    }
    case '/pods':
      object['status'] = { phase: 'Pending', qosClass: qosClass(object) };
      break;
    case '/services':
      object['status'] = { loadBalancer: {} };
      break;
    case '/persistentvolumeclaims':
      object['status'] = { phase: 'Pending' };
      break;
    case 'apps/deployments':
    case 'batch/jobs':
    case 'batch/cronjobs':
      object['status'] = {};
      break;
    case 'apps/replicasets':
      object['status'] = { replicas: 0 };
      break;
    case 'apps/statefulsets':
      object['status'] = { availableReplicas: 0, replicas: 0 };
      break;
    case 'apps/daemonsets':
      object['status'] = { currentNumberScheduled: 0, desiredNumberScheduled: 0, numberMisscheduled: 0, numberReady: 0 };
      break;
    case 'networking.k8s.io/ingresses':
      object['status'] = { loadBalancer: {} };
      break;
    default:
      break;
  }
}

export function prepareUpdate(resource: Resource, object: KubeObject, live: KubeObject, subresource: string | undefined): void {
  if (subresource === 'status') {
    for (const field of new Set([...Object.keys(object), ...Object.keys(live)])) {
      if (field === 'status' || field === 'metadata') continue;
      if (live[field] === undefined) delete object[field];
      else object[field] = cloneJson(live[field]);
    }
    const { managedFields, resourceVersion } = object.metadata;
    if (!STATUS_UPDATES_META.has(resource.bucket)) {
      object.metadata = cloneJson(live.metadata);
      if (managedFields !== undefined) object.metadata.managedFields = managedFields;
      if (resourceVersion !== undefined) object.metadata.resourceVersion = resourceVersion;
    }
    return;
  }
  if (subresource === undefined && hasStatusSubresource(resource)) {
    if (live['status'] === undefined) delete object['status'];
    else object['status'] = cloneJson(live['status']);
  }
  if (resource.bucket === '/namespaces' && subresource === undefined) {
    const spec = asObject(object['spec']) ?? {};
    object['spec'] = { ...spec, finalizers: cloneJson(asObject(live['spec'])?.['finalizers']) };
  }
}

/** `Guaranteed` when every container's limits cover cpu and memory and equal its requests, `BestEffort` with none at all. */
function qosClass(pod: KubeObject): string {
  const spec = asObject(pod['spec']) ?? {};
  const containers = [spec['containers'], spec['initContainers']].flatMap((list) => (Array.isArray(list) ? list : []));
  let any = false;
  let guaranteed = containers.length > 0;
  for (const container of containers) {
    const resources = asObject(asObject(container)?.['resources']) ?? {};
    const requests = asObject(resources['requests']) ?? {};
    const limits = asObject(resources['limits']) ?? {};
    for (const name of ['cpu', 'memory']) {
      if (requests[name] !== undefined || limits[name] !== undefined) any = true;
      if (limits[name] === undefined || (requests[name] ?? limits[name]) !== limits[name]) guaranteed = false;
    }
  }
  if (!any) return 'BestEffort';
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
