/** Decides about the requests of one inbound connection: which route, who may, and what the program learns of the client. */
import type { InboundPolicy, InboundRoute } from '@mesh/model';
import type { Address, Closed } from '@mesh/net';
import { CLIENT_CLUSTER_FIELD, HEADER, headerBit } from '@mesh/wire';
import type { H2Reason } from '@mesh/wire';
import { nameOf } from '../accept/inbound-client.ts';
import type { RequestFacts } from '../http/facts.ts';
import type { FailureCode } from '../http/rescue.ts';
import { addedFields, HOP_FIELDS, NO_ADDED_FIELDS } from '../http/service.ts';
import type { AddedFields, HttpConnection, HttpService, RoutedRequest } from '../http/service.ts';
import type { CounterCell, HttpCells } from '../ports.ts';
import { authorize } from './authorize.ts';
import type { Client } from './authorize.ts';
import { DEFAULT_ROUTE } from './inbound-port.ts';
import type { InboundPort, InboundRules } from './inbound-port.ts';
import { matchesAll, selectRoute } from './match.ts';

/** Only proxies may say these things, and only to this proxy. */
const FROM_PEERS: number =
  headerBit(HEADER.clientId) |
  headerBit(HEADER.clientIdentity) |
  headerBit(HEADER.clientCluster) |
  headerBit(HEADER.proxyError) |
  headerBit(HEADER.proxyConnectionL5d) |
  headerBit(HEADER.dstCanonical) |
  headerBit(HEADER.requireId) |
  headerBit(HEADER.origProto);

/** A decision that holds for all requests of the connection while the policy stays. */
interface Standing {
  readonly policy: InboundPolicy;
  /** Of its first request. */
  readonly cells: HttpCells;
  /** When authorities are counted: the cells of each. */
  readonly byAuthority: Map<string, HttpCells> | undefined;
  readonly cellsFor: (authority: string) => HttpCells;
  readonly allowed: CounterCell;
  readonly rules: InboundRules;
}

export class InboundService implements HttpService {
  readonly requestDrop: number;
  readonly requestAdd: AddedFields;
  readonly responseDrop = HOP_FIELDS;
  readonly details: boolean;
  readonly servesProxies: boolean;
  readonly begun: ((request: RoutedRequest) => void) | undefined;
  readonly #port: InboundPort;
  readonly #client: Client;
  readonly #onClosed: (why: Closed) => void;
  #standing: Standing | undefined;

  /** @param peer Where the client connected from. */
  constructor(port: InboundPort, client: Client, peer: Address, onClosed: (why: Closed) => void) {
    this.#port = port;
    this.#client = client;
    this.#onClosed = onClosed;
    this.#standing = undefined;
    // Only the ingress itself says where its requests go.
    this.requestDrop = port.ingress ? FROM_PEERS | headerBit(HEADER.dstOverride) : FROM_PEERS;
    this.begun = port.accessLog?.of(peer, nameOf(client));
    this.details = client.identity !== undefined;
    this.servesProxies = client.identity !== undefined;
    this.requestAdd = clientFields(client);
  }

  route(request: RoutedRequest): void {
    const policy = this.#port.policy.current;
    const standing = this.#standing;
    if (standing !== undefined && standing.policy === policy) {
      request.cells = this.#cells(standing, request.facts);
      standing.allowed.add(1);
      standing.rules.cells.requests.add(1);
      request.dispatch(this.#port, standing.rules);
      return;
    }
    if (policy === undefined) {
      this.#refuse(request, 'unexpected');
      return;
    }
    const { routes } = policy;
    const route = routes.length === 0 ? DEFAULT_ROUTE : selectRoute(routes, request.facts);
    if (route === undefined) {
      this.#port.countNoRoute(this.#client, policy);
      this.#refuse(request, 'no_route');
      return;
    }
    const authorization = authorize(this.#client, policy.authorizations, route.authorizations);
    const decided = this.#port.authzCell('inbound_http_authz', this.#client, policy, route, authorization);
    decided.add(1);
    if (authorization === undefined) {
      this.#refuse(request, 'unauthorized');
      return;
    }
    const port = this.#port;
    const cellsFor = (label: string | undefined): HttpCells =>
      port.httpCells(this.#client, policy, route, authorization, label);
    const authority = port.authorityLabel(request.facts);
    const cells = cellsFor(authority);
    const rules = port.rules(policy, route);
    if (isStanding(policy, route)) {
      const byAuthority = authority === undefined ? undefined : new Map([[authority, cells]]);
      this.#standing = { policy, cells, byAuthority, cellsFor, allowed: decided, rules };
    }
    request.cells = cells;
    rules.cells.requests.add(1);
    request.dispatch(this.#port, rules);
  }

  failed(code: FailureCode | H2Reason): void {
    this.#port.countError('inbound_http_errors_total', code);
  }

  closed(_connection: HttpConnection, why: Closed): void {
    this.#onClosed(why);
  }

  #cells({ cells, byAuthority, cellsFor }: Standing, facts: RequestFacts): HttpCells {
    if (byAuthority === undefined) return cells;
    const authority = this.#port.authorityLabel(facts) ?? '';
    const known = byAuthority.get(authority);
    if (known !== undefined) return known;
    const bound = cellsFor(authority);
    byAuthority.set(authority, bound);
    return bound;
  }

  #refuse(request: RoutedRequest, code: 'unexpected' | 'no_route' | 'unauthorized'): void {
    request.reject(code);
  }
}

/** What the program learns of its client. */
function clientFields(client: Client): AddedFields {
  const name = nameOf(client);
  if (name === undefined) return NO_ADDED_FIELDS;
  const cluster = client.conveyed?.cluster ?? '';
  const fields: (readonly [string, string])[] = [['l5d-client-id', name]];
  return addedFields(cluster === '' ? fields : [...fields, [CLIENT_CLUSTER_FIELD, cluster]]);
}

/** Nothing in the request can change the decision. */
function isStanding(policy: InboundPolicy, route: InboundRoute): boolean {
  return policy.routes.length === 0 || (policy.routes.length === 1 && matchesAll(route));
}
