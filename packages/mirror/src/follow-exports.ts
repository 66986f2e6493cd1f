/** Which way a Link's peer is read: through the view that it writes for us, or else as Linkerd does it. */
import { LabelExports } from './label-exports.ts';
import type { LinkPlan } from './link-plan.ts';
import type { RemoteCluster, RemoteClusterDeps, RemoteClusterHandlers } from './remote-cluster.ts';
import { ViewExports } from './view-exports.ts';
import type { Selectors } from './view-exports.ts';

/** Takes over `deps.client`: it is closed with the result. */
export function followExports(plan: LinkPlan, deps: RemoteClusterDeps, handlers: RemoteClusterHandlers): RemoteCluster {
  const selectors = selectorsOf(plan);
  if (plan.view !== undefined) return new ViewExports(plan.view.namespaces, selectors, deps, handlers);
  const { controlPlaneNamespace, trustDomain } = plan;
  return new LabelExports({ selectors, controlPlaneNamespace, trustDomain }, deps, handlers);
}

/** Plans of the same key are followed alike: with another one everything is read anew. */
export function followingKey(plan: LinkPlan): string {
  return JSON.stringify([selectorsOf(plan), plan.view, plan.controlPlaneNamespace, plan.trustDomain]);
}

function selectorsOf(plan: LinkPlan): Selectors {
  return { gateway: plan.selector, flat: plan.flatSelector, federated: plan.federatedSelector };
}
