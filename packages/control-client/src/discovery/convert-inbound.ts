/** `inbound.Server` messages to inbound policies, with the checks that proxies make of them. */
import { cidr, cidrContains, parseIp } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import type { inbound } from '@mesh/proxy-api';
import { ipText } from '../proto/addresses.ts';
import { defaultRef, toGrpcMatch, toHost, toHttpMatch, toMs, toRef } from './convert-shared.ts';
import { InvalidMessage, required } from './invalid.ts';
import type {
  Authentication,
  Authorization,
  ClientNetwork,
  HttpMatch,
  InboundPolicy,
  InboundRoute,
  ResourceRef,
} from '@mesh/model';

/** Detection does not happen for these kinds, or not for all clients: the limit that then holds for reading a first line. */
const DETECT_TIMEOUT_MS = 10_000;

/** @throws InvalidMessage */
export function toInboundPolicy(server: inbound.Server): InboundPolicy {
  const kind = required(server.protocol?.kind, 'protocol.kind');
  return {
    server: serverRef(server.labels),
    protocol: kind.$case,
    detectTimeoutMs: kind.$case === 'detect' ? toMs(kind.value.timeout, 'protocol.detect.timeout') : DETECT_TIMEOUT_MS,
    authorizations: server.authorizations.map((authz, at) => toAuthorization(authz, `authorizations[${at}]`)),
    routes: toRoutes(kind),
  };
}

/** A set of addresses: the network's, minus the exceptions'. */
export function clientNetwork(network: Cidr, except: readonly Cidr[] = []): ClientNetwork {
  return {
    contains(ip) {
      const bytes = parseIp(ip);
      if (bytes === undefined || !cidrContains(network, bytes)) return false;
      return !except.some((hole) => cidrContains(hole, bytes));
    },
  };
}

function serverRef(labels: Readonly<Record<string, string>>): ResourceRef {
  const name = required(labels['name'], 'labels.name');
  const group = labels['group'] ?? '';
  const kind = labels['kind'] ?? '';
  if (group === '' && (kind === 'default' || kind === '')) return defaultRef(name);
  return { group, kind, namespace: labels['namespace'] ?? '', name, port: 0, section: '' };
}

function toAuthorization(authz: inbound.Authz, field: string): Authorization {
  if (authz.networks.length === 0) throw InvalidMessage.at(`${field}.networks`, 'is empty');
  return {
    ref: authz.metadata === undefined ? labelsRef(authz.labels) : toRef(authz.metadata, `${field}.metadata`),
    networks: authz.networks.map((network, at) => toNetwork(network, `${field}.networks[${at}]`)),
    authentication: toAuthentication(authz.authentication, `${field}.authentication`),
  };
}

/** Older controllers describe an authorization by labels. */
function labelsRef(labels: Readonly<Record<string, string>>): ResourceRef {
  const { group = '', kind = 'default', name = '' } = labels;
  return { group, kind, namespace: '', name, port: 0, section: '' };
}

function toNetwork(network: inbound.Network, field: string): ClientNetwork {
  return clientNetwork(
    toCidr(required(network.net, `${field}.net`), `${field}.net`),
    network.except.map((hole, at) => toCidr(hole, `${field}.except[${at}]`)),
  );
}

function toCidr(network: NonNullable<inbound.Network['net']>, field: string): Cidr {
  const bytes = parseIp(required(ipText(network.ip), `${field}.ip`));
  if (bytes === undefined || network.prefixLen > bytes.length * 8)
    throw InvalidMessage.at(`${field}.prefix_len`, `is ${network.prefixLen}, longer than the address`);
  return cidr(bytes, network.prefixLen);
}

function toAuthentication(authn: inbound.Authn | undefined, field: string): Authentication {
  const permit = required(authn?.permit, `${field}.permit`);
  if (permit.$case === 'unauthenticated') return { kind: 'unauthenticated' };
  const clients = required(permit.value.clients, `${field}.mesh_tls.clients`);
  if (clients.$case === 'unauthenticated') return { kind: 'tls_unauthenticated' };
  return {
    kind: 'mesh_tls',
    identities: clients.value.identities.map((identity) => identity.name),
    suffixes: clients.value.suffixes.map((suffix) => suffix.parts.join('.')),
  };
}

type Kind = NonNullable<inbound.ProxyProtocol['kind']>;

function toRoutes(kind: Kind): readonly InboundRoute[] {
  switch (kind.$case) {
    case 'detect':
      return kind.value.httpRoutes.map((route, at) => toHttpRoute(route, `routes[${at}]`));
    case 'http1':
    case 'http2':
      return kind.value.routes.map((route, at) => toHttpRoute(route, `routes[${at}]`));
    case 'grpc':
      return kind.value.routes.map((route, at) => toGrpcRoute(route, `routes[${at}]`));
    case 'opaque':
    case 'tls':
      return [];
  }
}

function toHttpRoute(route: inbound.HttpRoute, field: string): InboundRoute {
  return toRoute(
    route,
    route.rules.flatMap((rule) => matchesOf(rule.matches, (match) => toHttpMatch(match, `${field}.matches`))),
    field,
  );
}

function toGrpcRoute(route: inbound.GrpcRoute, field: string): InboundRoute {
  return toRoute(
    route,
    route.rules.flatMap((rule) => matchesOf(rule.matches, (match) => toGrpcMatch(match, `${field}.matches`))),
    field,
  );
}

function toRoute(
  route: inbound.HttpRoute | inbound.GrpcRoute,
  matches: readonly HttpMatch[],
  field: string,
): InboundRoute {
  return {
    ref: toRef(route.metadata, `${field}.metadata`),
    hosts: route.hosts.map((host) => toHost(host, `${field}.hosts`)),
    matches,
    authorizations: route.authorizations.map((authz, at) => toAuthorization(authz, `${field}.authorizations[${at}]`)),
  };
}

/** A rule without matches matches everything, also beside rules that have some. */
function matchesOf<M>(matches: readonly M[], convert: (match: M) => HttpMatch): readonly HttpMatch[] {
  return matches.length === 0 ? [MATCH_ALL] : matches.map(convert);
}

const MATCH_ALL: HttpMatch = { path: { kind: 'prefix', value: '/' }, method: undefined, headers: [], query: [] };
