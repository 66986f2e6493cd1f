/** Decides about the requests of one connection from a peer: loop, export, where to. */
import type { Closed } from '@mesh/net';
import { addedFields, HOP_FIELDS } from '@mesh/proxy';
import type { AddedFields, FailureCode, HttpCells, HttpConnection, HttpService, RoutedRequest } from '@mesh/proxy';
import { HEADER, headerBit } from '@mesh/wire';
import type { H2Reason } from '@mesh/wire';
import { FORWARDED, forwardedElement, isLoop, passedGateways } from './forwarded.ts';
import { clientFields } from './gateway-client.ts';
import type { GatewayClient } from './gateway-client.ts';
import type { GatewayTarget } from './gateway-target.ts';
import type { TargetRefusal } from './gateway-targets.ts';

export interface GatewayServiceDeps {
  /** Asked for each request, since exports come and go under a connection. */
  readonly target: () => GatewayTarget | TargetRefusal;
  readonly ownIdentity: string;
  /** Empty: not known. */
  readonly ownCluster: string;
  readonly client: GatewayClient;
  /** As the peer asked for it. */
  readonly authority: string;
  /** Of requests as they come, answered here or not. */
  readonly refused: HttpCells;
  /** Of requests that go on: as they come, and as they leave. */
  readonly passed: HttpCells;
  /** What the peer is told when it may not have the Service. */
  readonly explain: (code: FailureCode) => string | undefined;
  readonly countError: (code: FailureCode | H2Reason) => void;
  readonly closed: (why: Closed) => void;
}

/** Only proxies may say these things, and only to their own program. */
const FROM_PEERS: number =
  headerBit(HEADER.clientId) |
  headerBit(HEADER.clientIdentity) |
  headerBit(HEADER.clientCluster) |
  headerBit(HEADER.proxyConnectionL5d) |
  headerBit(HEADER.dstCanonical) |
  headerBit(HEADER.requireId) |
  headerBit(HEADER.origProto);

export class GatewayService implements HttpService {
  readonly requestDrop = FROM_PEERS;
  readonly requestAdd: AddedFields;
  /** What the sidecar behind says about its connection does not concern the peer's. */
  readonly responseDrop = HOP_FIELDS;
  readonly details = true;
  readonly servesProxies = true;
  readonly #deps: GatewayServiceDeps;

  constructor(deps: GatewayServiceDeps) {
    this.#deps = deps;
    const { ownIdentity, ownCluster, client, authority } = deps;
    const hop = { by: ownIdentity, cluster: ownCluster, client: client.identity, host: authority };
    this.requestAdd = addedFields([[FORWARDED, forwardedElement(hop)], ...clientFields(client)]);
  }

  route(request: RoutedRequest): void {
    const { ownCluster, passed } = this.#deps;
    const forwarded = request.facts.field(FORWARDED);
    if (forwarded !== undefined && isLoop(passedGateways(forwarded), ownCluster)) {
      this.#refuse(request, 'loop');
      return;
    }
    const target = this.#deps.target();
    if (typeof target === 'string') {
      this.#refuse(request, target);
      return;
    }
    request.cells = passed;
    request.dispatch(target.dispatcher('http'), undefined);
  }

  explain(code: FailureCode): string | undefined {
    return this.#deps.explain(code);
  }

  failed(code: FailureCode | H2Reason): void {
    this.#deps.countError(code);
  }

  closed(_connection: HttpConnection, why: Closed): void {
    this.#deps.closed(why);
  }

  #refuse(request: RoutedRequest, code: FailureCode): void {
    const { refused } = this.#deps;
    request.cells = refused;
    refused.requestTotal.add(1);
    request.reject(code);
  }
}
