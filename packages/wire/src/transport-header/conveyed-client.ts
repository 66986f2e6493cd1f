/**
 * Who a client is, as a gateway tells the sidecar behind it (ADR 0020): its identity and its cluster, in request fields for HTTP, in the
 * transport header for opaque connections. Both are checked wherever they are written or read: what is told here decides who may
 * come in.
 */

/** Request field with the client's identity, as the gateway verified it. */
export const CLIENT_IDENTITY_FIELD = 'l5d-client-identity';
/** Request field with the name of the cluster that the client is in. */
export const CLIENT_CLUSTER_FIELD = 'l5d-client-cluster';

/** RFC 1035 §2.3.4, as text. */
const DNS_NAME_LENGTH_MAX = 253;
/** SPIFFE-ID §2.3. */
const SPIFFE_ID_LENGTH_MAX = 2048;
/** RFC 1123 §2.1, lower case: identities are compared byte for byte. */
const DNS_NAME = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/;
/** SPIFFE-ID §2.1, §2.2: a trust domain, then segments of the path, of which none is empty, `.` or `..`. */
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9._-]+)+$/;

/** A DNS name in lower case without a final dot, or a SPIFFE ID of a workload. */
export function isClientIdentity(text: string): boolean {
  if (text.length <= DNS_NAME_LENGTH_MAX && DNS_NAME.test(text)) return true;
  return text.length <= SPIFFE_ID_LENGTH_MAX && SPIFFE_ID.test(text);
}

/** Cluster names are those of Kubernetes objects (RFC 1123 subdomains). */
export function isClusterName(text: string): boolean {
  return text.length <= DNS_NAME_LENGTH_MAX && DNS_NAME.test(text);
}
