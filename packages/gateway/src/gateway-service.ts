/** Decides about the requests of one connection from a peer: loop, export, where to. */
import type { Closed } from '@mesh/net';
import { HOP_FIELDS } from '@mesh/proxy';
import type { FailureCode, HttpCells, HttpService, HttpSession } from '@mesh/proxy';
import { HEADER, headerBit } from '@mesh/wire';
import { forwardedLine, wasForwardedBy } from './forwarded.ts';
import type { GatewayTarget, TargetRefusal } from './gateway-targets.ts';

export interface GatewayServiceDeps {
  /** Asked for each request, since exports come and go under a connection. */
  readonly target: () => GatewayTarget | TargetRefusal;
  readonly ownIdentity: string;
  readonly clientIdentity: string;
  /** As the peer asked for it. */
  readonly authority: string;
  readonly cells: HttpCells;
  readonly countError: (code: FailureCode) => void;
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
  readonly requestAdd: Uint8Array;
  /** What the sidecar behind says about its connection does not concern the peer's. */
  readonly responseDrop = HOP_FIELDS;
  readonly details = true;
  readonly servesProxies = true;
  readonly #deps: GatewayServiceDeps;

  constructor(deps: GatewayServiceDeps) {
    this.#deps = deps;
    const { ownIdentity, clientIdentity, authority } = deps;
    this.requestAdd = forwardedLine({ by: ownIdentity, client: clientIdentity, host: authority });
  }

  route(session: HttpSession): void {
    const { ownIdentity, clientIdentity, cells } = this.#deps;
    session.cells = cells;
    if (clientIdentity === ownIdentity || wasForwardedBy(session.head, ownIdentity)) {
      this.#refuse(session, 'loop');
      return;
    }
    const target = this.#deps.target();
    if (typeof target === 'string') this.#refuse(session, target);
    else session.dispatch(target.dispatcher('http'), undefined);
  }

  closed(_session: HttpSession, why: Closed): void {
    this.#deps.closed(why);
  }

  #refuse(session: HttpSession, code: FailureCode): void {
    this.#deps.cells.requestTotal.add(1);
    this.#deps.countError(code);
    session.reject(code);
  }
}
