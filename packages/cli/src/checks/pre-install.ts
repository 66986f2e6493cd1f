/** `mesh check --pre`: may this user install here, is there nothing in the way, and do the nodes agree on the time? */
import { DEPLOYMENTS, dynamicKind, MUTATING_WEBHOOKS, VALIDATING_WEBHOOKS } from '@mesh/kube';
import type { ResourceKind } from '@mesh/kube';
import { assertAllowed } from './access.ts';
import type { Check, CheckCategory } from './check.ts';
import { clockSkewCheck } from './clock-skew.ts';
import type { CheckState } from './state.ts';

const RBAC = 'rbac.authorization.k8s.io';

export function preInstallCategories(state: CheckState): readonly CheckCategory[] {
  const can = (kind: string, group: string, resource: string, verb: string, namespaced: boolean): Check => ({
    description: `can ${verb === 'get' ? 'read' : verb} ${kind}`,
    hint: namespaced ? 'pre-k8s' : 'pre-k8s-cluster-k8s',
    run: async () =>
      assertAllowed(await state.client(), {
        group,
        resource,
        verb,
        ...(namespaced ? { namespace: state.controlPlaneNamespace } : {}),
      }),
  });
  return [
    {
      name: 'pre-kubernetes-setup',
      checks: [
        {
          description: 'control plane namespace does not already exist',
          hint: 'pre-ns',
          run: async () => {
            const ns = state.controlPlaneNamespace;
            const { items } = await (await state.client()).list(DEPLOYMENTS, { namespace: ns });
            if (items.length > 0)
              throw new Error(
                `the "${ns}" namespace holds ${items.length} deployments already, such as ${items[0]?.metadata.name ?? ''}`,
              );
          },
        },
        can('Namespaces', '', 'namespaces', 'create', false),
        can('ClusterRoles', RBAC, 'clusterroles', 'create', false),
        can('ClusterRoleBindings', RBAC, 'clusterrolebindings', 'create', false),
        can('CustomResourceDefinitions', 'apiextensions.k8s.io', 'customresourcedefinitions', 'create', false),
        can(
          'MutatingWebhookConfigurations',
          'admissionregistration.k8s.io',
          'mutatingwebhookconfigurations',
          'create',
          false,
        ),
        can('ServiceAccounts', '', 'serviceaccounts', 'create', true),
        can('Services', '', 'services', 'create', true),
        can('Deployments', 'apps', 'deployments', 'create', true),
        can('ConfigMaps', '', 'configmaps', 'create', true),
        can('Secrets', '', 'secrets', 'create', true),
        can('Secrets', '', 'secrets', 'get', true),
        clockSkewCheck(state, 'pre-k8s-clock-skew'),
      ],
    },
    {
      name: 'pre-linkerd-global-resources',
      checks: [
        none(state, dynamicKind(`${RBAC}/v1`, 'clusterroles', 'ClusterRole', false)),
        none(state, dynamicKind(`${RBAC}/v1`, 'clusterrolebindings', 'ClusterRoleBinding', false)),
        none(state, MUTATING_WEBHOOKS),
        none(state, VALIDATING_WEBHOOKS),
      ],
    },
  ];
}

/** Left-overs of another control plane in the same namespace would be taken over, or fought over. */
function none(state: CheckState, kind: ResourceKind): Check {
  return {
    description: `no ${kind.kind}s exist`,
    hint: 'pre-l5d-existence',
    run: async () => {
      const labelSelector = `linkerd.io/control-plane-ns=${state.controlPlaneNamespace}`;
      const { items } = await (await state.client()).list(kind, { labelSelector });
      if (items.length > 0)
        throw new Error(
          `${kind.kind}s found that belong to a control plane in "${state.controlPlaneNamespace}": ${items.map((item) => item.metadata.name).join(', ')}`,
        );
    },
  };
}
