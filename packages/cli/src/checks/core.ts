/** The categories of `mesh check`, in Linkerd's order. */
import { apiCategory } from './api.ts';
import type { CheckCategory } from './check.ts';
import { configCategory } from './config.ts';
import { existenceCategory } from './existence.ts';
import { highAvailabilityCategory } from './high-availability.ts';
import { identityCategory } from './identity.ts';
import { kubernetesApiCategory, kubernetesVersionCategory } from './kubernetes.ts';
import { proxyChecks } from './proxies.ts';
import type { CheckState } from './state.ts';
import { cliVersionCategory, controlPlaneVersionCategory } from './versions.ts';
import { webhookCategory } from './webhooks.ts';

export function kubernetesCategories(state: CheckState): readonly CheckCategory[] {
  return [kubernetesApiCategory(state), kubernetesVersionCategory(state)];
}

/** @param expected The version that must be installed, where someone knows it. */
export function controlPlaneCategories(state: CheckState, expected: string | undefined): readonly CheckCategory[] {
  return [
    existenceCategory(state),
    configCategory(state),
    identityCategory(state),
    webhookCategory(state),
    apiCategory(state),
    cliVersionCategory(expected),
    controlPlaneVersionCategory(state, expected),
    {
      // Ours have no sidecar; those of a Linkerd control plane do.
      name: 'linkerd-control-plane-proxy',
      checks: proxyChecks(state, () => state.meshedPods(state.controlPlaneNamespace), {
        healthy: ['control plane proxies are healthy', 'l5d-cp-proxy-healthy'],
        upToDate: ['control plane proxies are up-to-date', 'l5d-cp-proxy-version'],
        cliVersion: ['control plane proxies and cli versions match', 'l5d-cp-proxy-cli-version'],
      }),
    },
    highAvailabilityCategory(state),
  ];
}
