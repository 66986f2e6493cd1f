/**
 * The requests of one connection from a gateway: each says whom it is for, so each is decided about as a request of that client. What
 * was decided for a client is kept and used again, as for the connection of a client of its own.
 */
import type { Address, Closed } from '@mesh/net';
import type { H2Reason } from '@mesh/wire';
import type { FailureCode } from '../http/rescue.ts';
import type { AddedFields, HttpConnection, HttpService, RoutedRequest } from '../http/service.ts';
import type { Client } from '../route/authorize.ts';
import type { InboundPort } from '../route/inbound-port.ts';
import { InboundService } from '../route/inbound-service.ts';
import { conveyedBy, conveyedIn } from './inbound-client.ts';

/** Clients that a connection remembers; the one that came first is forgotten for the next, and decided about anew. */
const CLIENTS_MAX = 256;

export class RelayedService implements HttpService {
  readonly requestDrop: number;
  readonly requestAdd: AddedFields;
  readonly responseDrop: number;
  readonly details: boolean;
  readonly servesProxies: boolean;
  readonly begun: ((request: RoutedRequest) => void) | undefined;
  readonly #port: InboundPort;
  readonly #gateway: Client;
  readonly #peer: Address;
  /** For requests that are the gateway's own. */
  readonly #own: InboundService;
  readonly #clients = new Map<string, InboundService>();

  constructor(port: InboundPort, gateway: Client, peer: Address, onClosed: (why: Closed) => void) {
    this.#port = port;
    this.#gateway = gateway;
    this.#peer = peer;
    this.#own = new InboundService(port, gateway, peer, onClosed);
    this.requestDrop = this.#own.requestDrop;
    this.requestAdd = this.#own.requestAdd;
    this.responseDrop = this.#own.responseDrop;
    this.details = this.#own.details;
    this.servesProxies = this.#own.servesProxies;
    this.begun =
      this.#own.begun === undefined
        ? undefined
        : (request) => (this.#serviceFor(request) ?? this.#own).begun?.(request);
  }

  route(request: RoutedRequest): void {
    const service = this.#serviceFor(request);
    if (service === undefined) {
      request.reject('bad_client_identity');
      return;
    }
    request.added = service.requestAdd;
    service.route(request);
  }

  failed(code: FailureCode | H2Reason): void {
    this.#own.failed(code);
  }

  closed(connection: HttpConnection, why: Closed): void {
    this.#own.closed(connection, why);
  }

  /** Undefined: nobody is called what the request says. */
  #serviceFor(request: RoutedRequest): InboundService | undefined {
    const conveyed = conveyedIn(request.facts);
    if (conveyed === undefined) return this.#own;
    if (conveyed === 'bad') return undefined;
    const key = `${conveyed.identity} ${conveyed.cluster}`;
    const known = this.#clients.get(key);
    if (known !== undefined) return known;
    const service = new InboundService(this.#port, conveyedBy(this.#gateway, conveyed), this.#peer, nobody);
    if (this.#clients.size >= CLIENTS_MAX) {
      const [first = ''] = this.#clients.keys();
      this.#clients.delete(first);
    }
    this.#clients.set(key, service);
    return service;
  }
}

/** The connection is the gateway's: its end is told once. */
function nobody(): void {
  // Nothing hangs on one of its clients.
}
