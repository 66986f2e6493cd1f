/** Category `linkerd-existence`: is there a control plane, and does all of it run? */
import { PODS } from '@mesh/kube';
import type { Pod } from '@mesh/kube';
import type { CheckCategory } from './check.ts';
import { clusterNetworkChecks } from './cluster-networks.ts';
import type { CheckState } from './state.ts';
import { assertDeployments, assertPodsReady, assertScheduled } from './workloads.ts';

export function existenceCategory(state: CheckState): CheckCategory {
  return {
    name: 'linkerd-existence',
    checks: [
      {
        description: "'linkerd-config' config map exists",
        hint: 'l5d-existence-linkerd-config',
        fatal: true,
        run: async () => void (await state.config()),
      },
      {
        description: 'control plane replica sets are ready',
        hint: 'l5d-existence-replicasets',
        retry: true,
        fatal: true,
        run: async () => {
          const wanted = await state.expectedObjects('Deployment');
          const names = wanted.map((object) => object.metadata.name ?? '');
          await assertDeployments(await state.client(), state.controlPlaneNamespace, names);
        },
      },
      {
        description: 'no unschedulable pods',
        hint: 'l5d-existence-unschedulable-pods',
        retry: true,
        warning: true,
        run: async () => assertScheduled(await controlPlanePods(state)),
      },
      {
        description: 'control plane pods are ready',
        hint: 'l5d-api-control-ready',
        retry: true,
        fatal: true,
        run: async () => assertPodsReady(await controlPlanePods(state), state.controlPlaneNamespace),
      },
      ...clusterNetworkChecks(state),
    ],
  };
}

export async function controlPlanePods(state: CheckState): Promise<readonly Pod[]> {
  const { items } = await (
    await state.client()
  ).list(PODS, { namespace: state.controlPlaneNamespace, labelSelector: 'linkerd.io/control-plane-component' });
  return items;
}
