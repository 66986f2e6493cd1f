/** How to recognise the mirror controller's pods and where they expose metrics. */
import type { Pod } from '@mesh/kube';

export const MIRROR_ADMIN_PORT = 9999;

export function isMirrorPod(pod: Pod): boolean {
  return pod.metadata.labels?.['component'] === 'linkerd-service-mirror';
}
