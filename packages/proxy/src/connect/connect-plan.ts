/**
 * How an endpoint is reached: which address, with which TLS name and protocol, with which transport header. Decided
 * once per endpoint, not per connection.
 */
import type { Endpoint, TlsIdentity } from '@mesh/model';
import type { Address, ConnectTarget, PeerInfo } from '@mesh/net';
import { encodeTransportHeader, TRANSPORT_ALPN } from '@mesh/wire';
import type { SentTransportHeader, SessionProtocol } from '@mesh/wire';
import type { Identity, Labels } from '../ports.ts';

export interface ConnectPlan {
  readonly address: Address;
  readonly tls: TlsIdentity | undefined;
  /** Sent first on each connection; empty when the endpoint takes none. */
  readonly http1Preface: Uint8Array;
  readonly http2Preface: Uint8Array;
  readonly opaquePreface: Uint8Array;
  /** What these say of the destination; undefined when there are none. */
  readonly meant: { readonly port: number; readonly name: string } | undefined;
  /** New authority of requests, or undefined. */
  readonly authority: Uint8Array | undefined;
  readonly authorityText: string | undefined;
  /** tls, server_id or no_tls_reason: as the metrics show them. */
  readonly tlsLabels: Labels;
}

/** What a gateway says of the connection that it carries on; it has checked it. */
export type Conveyed = Partial<Pick<SentTransportHeader, 'clientIdentity' | 'clientCluster' | 'hops'>>;

const NOTHING = new Uint8Array(0);
const NO_PREFACES = { http1Preface: NOTHING, http2Preface: NOTHING, opaquePreface: NOTHING, meant: undefined };

/** @param ownIps Endpoints at these addresses are this very workload: no TLS to oneself. */
export function planConnect(endpoint: Endpoint, ownIps: ReadonlySet<string>): ConnectPlan {
  const own = ownIps.has(endpoint.address.ip);
  const { authorityOverride } = endpoint;
  const authority = authorityOverride === undefined ? undefined : Buffer.from(authorityOverride, 'latin1');
  const bare = { ...NO_PREFACES, address: endpoint.address, authority, authorityText: authorityOverride };
  if (endpoint.tls === undefined || own) {
    const reason = own ? 'loopback' : 'not_provided_by_service_discovery';
    return { ...bare, tls: undefined, tlsLabels: { tls: 'no_identity', no_tls_reason: reason } };
  }
  const { tls } = endpoint;
  const tlsLabels = { tls: 'true', server_id: tls.name };
  const meant = destinationOf(endpoint);
  if (meant === undefined) return { ...bare, tls, tlsLabels };
  const preface = (session: SessionProtocol): Uint8Array => encodeTransportHeader({ ...meant, session });
  return {
    ...bare,
    address: meant.name === '' ? { ip: endpoint.address.ip, port: endpoint.transportPort ?? 0 } : endpoint.address,
    tls,
    http1Preface: preface('http1'),
    http2Preface: preface('http2'),
    opaquePreface: preface(undefined),
    meant,
    tlsLabels,
  };
}

/** The preface of an opaque connection that a gateway opens for a client. Empty when the endpoint takes none. */
export function prefaceFor(plan: ConnectPlan, conveyed: Conveyed): Uint8Array {
  return plan.meant === undefined ? NOTHING : encodeTransportHeader({ ...plan.meant, session: undefined, ...conveyed });
}

/** Dial with the identity of the moment. Undefined: TLS is wanted and there is no certificate yet. */
export function connectTarget(
  plan: ConnectPlan,
  identity: Identity,
  timeoutMs: number,
  keepAliveMs: number,
): ConnectTarget | undefined {
  if (plan.tls === undefined) return { address: plan.address, timeoutMs, keepAliveMs };
  const context = identity.tls;
  if (context === undefined) return undefined;
  const alpn = plan.http1Preface.length > 0 ? { alpn: TRANSPORT_ALPN } : {};
  return {
    address: plan.address,
    timeoutMs,
    keepAliveMs,
    tls: { context, serverName: plan.tls.serverName, ...alpn },
  };
}

/** The server is who discovery said, and speaks the transport header where we are going to send one. */
export function isExpectedPeer(plan: ConnectPlan, peer: PeerInfo): boolean {
  const name = plan.tls?.name;
  if (name === undefined) return false;
  if (plan.http1Preface.length > 0 && peer.alpn !== TRANSPORT_ALPN) return false;
  return name.includes('://') ? peer.uri.includes(name) : peer.dns.includes(name.toLowerCase());
}

/** What the transport header says, when one is sent. */
function destinationOf(endpoint: Endpoint): { readonly port: number; readonly name: string } | undefined {
  if (endpoint.authorityOverride !== undefined) {
    const { host, port } = splitAuthority(endpoint.authorityOverride);
    return { name: host, port };
  }
  return endpoint.transportPort === undefined ? undefined : { name: '', port: endpoint.address.port };
}

function splitAuthority(authority: string): { readonly host: string; readonly port: number } {
  const colon = authority.lastIndexOf(':');
  const port = colon < 0 ? Number.NaN : Number(authority.slice(colon + 1));
  return Number.isInteger(port) && port > 0 ? { host: authority.slice(0, colon), port } : { host: authority, port: 80 };
}
