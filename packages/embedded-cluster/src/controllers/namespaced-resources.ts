/** The namespaced resources that can be listed and deleted: built-in ones, and custom ones as they come and go. */
import type { KubeObject, ResourceRef } from '../api/types.ts';
import type { Informer } from './informer.ts';

const BUILT_IN: readonly ResourceRef[] = [
  ...refs('apps', 'v1', 'deployments statefulsets daemonsets replicasets controllerrevisions'),
  ...refs('batch', 'v1', 'cronjobs jobs'),
  ...refs('', 'v1', 'pods services endpoints configmaps secrets serviceaccounts persistentvolumeclaims events'),
  ...refs('discovery.k8s.io', 'v1', 'endpointslices'),
  ...refs('coordination.k8s.io', 'v1', 'leases'),
  ...refs('rbac.authorization.k8s.io', 'v1', 'roles rolebindings'),
  ...refs('policy', 'v1', 'poddisruptionbudgets'),
  ...refs('networking.k8s.io', 'v1', 'networkpolicies ingresses'),
  ...refs('autoscaling', 'v2', 'horizontalpodautoscalers'),
];

function refs(group: string, version: string, plurals: string): ResourceRef[] {
  return plurals.split(' ').map((plural) => ({ group, version, plural }));
}

export const CUSTOM_RESOURCES: ResourceRef = {
  group: 'apiextensions.k8s.io',
  version: 'v1',
  plural: 'customresourcedefinitions',
};

export interface CustomResourceDefinition extends KubeObject {
  spec: {
    group: string;
    scope: string;
    names: { plural: string };
    versions: { name: string; served: boolean; storage: boolean }[];
  };
}

export function namespacedResources(definitions: Informer<CustomResourceDefinition>): ResourceRef[] {
  const custom: ResourceRef[] = [];
  for (const { spec } of definitions.values()) {
    const version =
      spec.versions.find((each) => each.storage && each.served) ?? spec.versions.find((each) => each.served);
    if (spec.scope === 'Namespaced' && version !== undefined) {
      custom.push({ group: spec.group, version: version.name, plural: spec.names.plural });
    }
  }
  return [...custom, ...BUILT_IN];
}
