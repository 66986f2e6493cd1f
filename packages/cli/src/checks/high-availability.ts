/** Category `linkerd-ha-checks`, for installations with `--ha`: would the loss of a node be noticed? */
import { DEPLOYMENTS, dynamicKind, matchesSelector, MUTATING_WEBHOOKS, NAMESPACES } from '@mesh/kube';
import { SkipCheck } from './check.ts';
import type { CheckCategory } from './check.ts';
import { controlPlanePods } from './existence.ts';
import { isLive } from './state.ts';
import type { CheckState } from './state.ts';

const DISRUPTION_BUDGETS = dynamicKind('policy/v1', 'poddisruptionbudgets', 'PodDisruptionBudget', true);

export function highAvailabilityCategory(state: CheckState): CheckCategory {
  const onlyHa = async (): Promise<void> => {
    if (!(await state.values()).highAvailability) throw new SkipCheck();
  };
  return {
    name: 'linkerd-ha-checks',
    checks: [
      {
        description: 'multiple replicas of control plane pods',
        hint: 'l5d-control-plane-replicas',
        retry: true,
        warning: true,
        run: async () => {
          await onlyHa();
          await checkReplicas(state);
        },
      },
      {
        description: 'control plane pods are on different nodes',
        hint: 'l5d-control-plane-spread',
        warning: true,
        run: async () => {
          await onlyHa();
          await checkSpread(state);
        },
      },
      {
        description: 'control plane PodDisruptionBudgets exist',
        hint: 'l5d-control-plane-pdb',
        warning: true,
        run: async () => {
          await onlyHa();
          const client = await state.client();
          const { items } = await client.list(DISRUPTION_BUDGETS, { namespace: state.controlPlaneNamespace });
          const wanted = (await state.expectedObjects('PodDisruptionBudget')).map((one) => one.metadata.name ?? '');
          const missing = wanted.filter((name) => !items.some((item) => item.metadata.name === name));
          if (missing.length > 0) throw new Error(`PodDisruptionBudget ${missing.join(', ')} is missing`);
        },
      },
      {
        description: 'pod injection disabled on kube-system',
        hint: 'l5d-injection-disabled',
        warning: true,
        run: async () => {
          await onlyHa();
          await checkKubeSystem(state);
        },
      },
    ],
  };
}

async function checkReplicas(state: CheckState): Promise<void> {
  const client = await state.client();
  const { items } = await client.list(DEPLOYMENTS, {
    namespace: state.controlPlaneNamespace,
    labelSelector: 'linkerd.io/control-plane-component',
  });
  const alone = items.filter((item) => (item.status?.availableReplicas ?? 0) < 2);
  if (alone.length > 0)
    throw new Error(
      alone
        .map(
          (item) =>
            `deployment ${item.metadata.name} has ${item.status?.availableReplicas ?? 0} available replicas, but is to have more than 1`,
        )
        .join('\n'),
    );
}

async function checkSpread(state: CheckState): Promise<void> {
  const nodes = new Map<string, string[]>();
  for (const pod of (await controlPlanePods(state)).filter(isLive)) {
    const component = pod.metadata.labels?.['linkerd.io/control-plane-component'] ?? '';
    nodes.set(component, [...(nodes.get(component) ?? []), pod.spec.nodeName ?? '']);
  }
  const crowded = [...nodes].filter(([, names]) => names.length > 1 && new Set(names).size === 1);
  if (crowded.length > 0)
    throw new Error(
      crowded
        .map(([component, names]) => `all ${names.length} pods of ${component} are on node ${names[0] ?? ''}`)
        .join('\n'),
    );
}

/** With a webhook that fails closed, the system's own pods must not depend on it. */
async function checkKubeSystem(state: CheckState): Promise<void> {
  const client = await state.client();
  const [namespace, configuration] = await Promise.all([
    client.get(NAMESPACES, { name: 'kube-system' }),
    client.get(MUTATING_WEBHOOKS, { name: 'linkerd-proxy-injector-webhook-config' }),
  ]);
  const labels = { 'kubernetes.io/metadata.name': 'kube-system', ...namespace?.metadata.labels };
  const asks = (configuration?.webhooks ?? []).some((webhook) =>
    matchesSelector(webhook['namespaceSelector'] ?? {}, labels),
  );
  if (asks)
    throw new Error(
      'kube-system is not exempt from the injector: label it config.linkerd.io/admission-webhooks=disabled, or exclude it by proxyInjector.namespaceSelector',
    );
}
