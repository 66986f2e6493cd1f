/** Decides about the requests of one connection from a peer: loop, export, where to. */
import type { Closed } from '@mesh/net';
import { HOP_FIELDS } from '@mesh/proxy';
import type { AddedFields, FailureCode, HttpCells, HttpConnection, HttpService, RoutedRequest } from '@mesh/proxy';
import { HEADER, headerBit } from '@mesh/wire';
import type { H2Reason } from '@mesh/wire';
import { forwardedField, wasForwardedBy } from './forwarded.ts';
import type { GatewayTarget, TargetRefusal } from './gateway-targets.ts';

export interface GatewayServiceDeps {
  /** Asked for each request, since exports come and go under a connection. */
  readonly target: () => GatewayTarget | TargetRefusal;
  readonly ownIdentity: string;
  readonly clientIdentity: string;
  /** As the peer asked for it. */
  readonly authority: string;
  readonly cells: HttpCells;
  readonly countError: (code: FailureCode | H2Reason) => void;
  readonly closed: (why: Closed) => void;
}

/** Only proxies may say these things, and only to their own program. */
const FROM_PEERS: number =
  headerBit(HEADER.clientId) |
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
    const { ownIdentity, clientIdentity, authority } = deps;
    this.requestAdd = forwardedField({ by: ownIdentity, client: clientIdentity, host: authority });
  }

  route(request: RoutedRequest): void {
    const { ownIdentity, clientIdentity, cells } = this.#deps;
    request.cells = cells;
    if (clientIdentity === ownIdentity || wasForwardedBy(request.facts, ownIdentity)) {
      this.#refuse(request, 'loop');
      return;
    }
    const target = this.#deps.target();
    if (typeof target === 'string') this.#refuse(request, target);
    else request.dispatch(target.dispatcher('http'), undefined);
  }

  failed(code: FailureCode | H2Reason): void {
    this.#deps.countError(code);
  }

  closed(_connection: HttpConnection, why: Closed): void {
    this.#deps.closed(why);
  }

  #refuse(request: RoutedRequest, code: FailureCode): void {
    this.#deps.cells.requestTotal.add(1);
    request.reject(code);
  }
}
