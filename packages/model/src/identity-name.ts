/**
 * Workload identity names: `<sa>.<ns>.serviceaccount.identity.<control-plane-ns>.<trust-domain>`.
 *
 * The name is a DNS name, the only SAN of a workload's certificate, and what policies compare. A service account's own name
 * may contain dots, so the name is read from the marker `.serviceaccount.identity.` outwards.
 */

/** The parts of a workload's identity name. */
export interface WorkloadIdentity {
  readonly serviceAccount: string;
  readonly namespace: string;
  readonly controlPlaneNamespace: string;
  readonly trustDomain: string;
}

const MARKER = '.serviceaccount.identity.';
const LABEL = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/;
const NAME_LENGTH_MAX = 253; // RFC 1035 §2.3.4: 255 octets on the wire
const LABEL_LENGTH_MAX = 63;

/** The name, e.g. `web.shop.serviceaccount.identity.linkerd.cluster.local`. */
export function formatWorkloadIdentity(identity: WorkloadIdentity): string {
  const { serviceAccount, namespace, controlPlaneNamespace, trustDomain } = identity;
  return `${serviceAccount}.${namespace}${MARKER}${controlPlaneNamespace}.${trustDomain}`;
}

/** The parts of `name`, or `undefined` when it is not a workload identity name in lower case. */
export function parseWorkloadIdentity(name: string): WorkloadIdentity | undefined {
  const marker = name.indexOf(MARKER);
  if (marker < 0 || !isDnsName(name)) return undefined;
  const workload = name.slice(0, marker);
  const home = name.slice(marker + MARKER.length);
  const beforeNamespace = workload.lastIndexOf('.');
  const afterControlPlane = home.indexOf('.');
  if (beforeNamespace <= 0 || afterControlPlane <= 0) return undefined;
  return {
    serviceAccount: workload.slice(0, beforeNamespace),
    namespace: workload.slice(beforeNamespace + 1),
    controlPlaneNamespace: home.slice(0, afterControlPlane),
    trustDomain: home.slice(afterControlPlane + 1),
  };
}

/** True for a lower-case DNS name of letters, digits and hyphens, without a trailing dot (RFC 1123 §2.1). */
export function isDnsName(name: string): boolean {
  if (name.length === 0 || name.length > NAME_LENGTH_MAX) return false;
  return name.split('.').every((label) => label.length <= LABEL_LENGTH_MAX && LABEL.test(label));
}

/**
 * Whether `identity` ends with the labels of `suffix`. An empty suffix matches every identity; otherwise at least one label
 * must stand before it, so that `shop.x` does not match the suffix `shop.x` itself. URIs never match.
 */
export function matchesIdentitySuffix(identity: string, suffix: readonly string[]): boolean {
  if (suffix.length === 0) return identity.length > 0;
  if (identity.includes('://')) return false;
  return identity.endsWith(`.${suffix.join('.')}`);
}
