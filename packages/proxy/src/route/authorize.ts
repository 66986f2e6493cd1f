/** Who may use an inbound port: the first authorization that fits the client's address and identity. */
import { matchesIdentitySuffix } from '@mesh/model';
import type { Authorization, ResourceRef } from '@mesh/model';
import type { Labels } from '../ports.ts';

/** What is known of a client when it is let in. */
export interface Client {
  readonly ip: string;
  /** TLS was terminated here. */
  readonly tls: boolean;
  /** First DNS or URI name of the verified client certificate; undefined without one. */
  readonly identity: string | undefined;
  /** It is a gateway that is believed when it says who its clients are. */
  readonly relays?: boolean;
  /** The client that such a gateway asks for. */
  readonly conveyed?: ConveyedClient;
  /** tls, client_id or no_tls_reason: as the metrics show them. */
  readonly labels: Labels;
}

/** Who stands behind a gateway, as the gateway verified it. */
export interface ConveyedClient {
  /** Empty: its name is none that can be told. */
  readonly identity: string;
  /** Its cluster; empty when the gateway does not know it. */
  readonly cluster: string;
}

/** Always there for plaintext: the workload's own programs may talk to each other. Who shows an identity is judged by it. */
const LOCALHOST: Authorization = {
  ref: { group: '', kind: 'default', namespace: '', name: 'localhost', port: 0, section: '' },
  networks: [{ contains: (ip) => ip === '127.0.0.1' || ip === '::1' }],
  authentication: { kind: 'unauthenticated' },
};

/** The authorization that allows the client, or undefined: denied. */
export function authorize(client: Client, ...lists: readonly (readonly Authorization[])[]): Authorization | undefined {
  for (const list of lists) {
    for (const authorization of list) if (allows(authorization, client)) return authorization;
  }
  return !client.tls && allows(LOCALHOST, client) ? LOCALHOST : undefined;
}

function allows(authorization: Authorization, client: Client): boolean {
  if (!authorization.networks.some((network) => network.contains(client.ip))) return false;
  const { authentication } = authorization;
  switch (authentication.kind) {
    case 'unauthenticated':
      return true;
    case 'tls_unauthenticated':
      return client.tls;
    case 'mesh_tls': {
      const { identity, conveyed } = client;
      if (identity === undefined) return false;
      if (fits(identity, authentication)) return true;
      return conveyed !== undefined && conveyed.identity !== '' && fits(conveyed.identity, authentication);
    }
  }
}

function fits(
  identity: string,
  wanted: { readonly identities: readonly string[]; readonly suffixes: readonly string[] },
): boolean {
  return wanted.identities.includes(identity) || wanted.suffixes.some((suffix) => fitsSuffix(identity, suffix));
}

function fitsSuffix(identity: string, suffix: string): boolean {
  if (suffix === '') return true;
  return !identity.includes('://') && matchesIdentitySuffix(identity, suffix.split('.'));
}

/** srv_*, route_* or authz_* labels of a reference. */
export function refLabels(prefix: string, ref: ResourceRef): Labels {
  return { [`${prefix}_group`]: ref.group, [`${prefix}_kind`]: ref.kind, [`${prefix}_name`]: ref.name };
}

/** parent_*, route_* or backend_* labels of an outbound reference, all six. */
export function fullRefLabels(prefix: 'parent' | 'backend', ref: ResourceRef): Labels {
  return {
    ...refLabels(prefix, ref),
    [`${prefix}_namespace`]: ref.namespace,
    [`${prefix}_port`]: ref.port === 0 ? '' : String(ref.port),
    [`${prefix}_section_name`]: ref.section,
  };
}

/** route_* labels of an outbound route: with the namespace that inbound ones lack. */
export function routeLabels(ref: ResourceRef): Labels {
  return { ...refLabels('route', ref), route_namespace: ref.namespace };
}
