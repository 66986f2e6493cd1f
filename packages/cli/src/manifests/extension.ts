/** What the objects of the multi-cluster extension share. */
import type { Labels } from './object.ts';
import { commonEnv, identityClientEnv } from './provenance.ts';
import { extension } from './template.ts';
import type { Text } from './template.ts';

export const EXTENSION_LABELS: Labels = { 'linkerd.io/extension': 'multicluster' };

export const CONTROL_PLANE_NAMESPACE = extension('linkerdNamespace');

/** Environment that gateway and mirror share: who they are, whom they trust, where `identity` answers. */
export function extensionEnv(logs: { readonly level: Text; readonly format: Text }): readonly unknown[] {
  return [...commonEnv(CONTROL_PLANE_NAMESPACE, logs), ...identityClientEnv(CONTROL_PLANE_NAMESPACE)];
}
