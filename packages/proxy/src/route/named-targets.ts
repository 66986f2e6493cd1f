/**
 * The destinations that the requests of an ingress name, in `l5d-dst-override`: its proxy routes each request by that name, whatever
 * address the ingress chose. A request that names nothing goes where its connection was going.
 *
 *   no name ──► the original destination
 *   name ──► known ──► its routes
 *       ├──► asked about: the request waits ──► asked again
 *       └──► nobody's: 404, and so for a while for all that come after
 */
import { isDnsName } from '@mesh/model';
import type { Closed } from '@mesh/net';
import type { Clock, Timer } from '@mesh/runtime';
import { HEADER, headerBit } from '@mesh/wire';
import type { H2Reason } from '@mesh/wire';
import type { Dispatcher, Waiter } from '../balance/endpoint-slot.ts';
import type { FailureCode } from '../http/rescue.ts';
import type { AddedFields, HttpConnection, HttpService, RoutedRequest } from '../http/service.ts';
import { Kept } from '../kept.ts';
import type { OutboundTarget } from './outbound-target.ts';

export const DST_OVERRIDE = 'l5d-dst-override';

/** Each name costs two watches at the control plane: an ingress that lets strangers choose names must not cost more than this. */
const NAMES_MAX = 1000;
const PORT_DEFAULT = 80;

export interface NamedTargetsOptions {
  /** A name that no request has is forgotten after this. */
  readonly idleMs: number;
  /** How long a request waits for the control plane's first answer about its name. */
  readonly discoveryTimeoutMs: number;
}

export interface NamedTargetsDeps {
  readonly clock: Clock;
  readonly create: (authority: string) => OutboundTarget;
}

export class NamedTargets {
  readonly #options: NamedTargetsOptions;
  readonly #clock: Clock;
  readonly #targets: Kept<string, OutboundTarget>;
  /** Names that are nobody's, and until when that is believed. */
  readonly #nobodys = new Map<string, number>();

  constructor(options: NamedTargetsOptions, deps: NamedTargetsDeps) {
    this.#options = options;
    this.#clock = deps.clock;
    this.#targets = new Kept(deps.clock, options.idleMs, (authority) => authority, deps.create);
  }

  /** Decides about requests of connections to `target`. */
  over(target: OutboundTarget): HttpService {
    return new NamedService(this, target);
  }

  clear(): void {
    this.#targets.clear();
    this.#nobodys.clear();
  }

  route(request: RoutedRequest, authority: string): void {
    if (this.#isNobodys(authority)) {
      request.reject('unknown_destination');
      return;
    }
    if (!this.#targets.has(authority) && this.#targets.size >= NAMES_MAX) {
      request.reject('overloaded');
      return;
    }
    const { value: target, done } = this.#targets.use(authority);
    this.#holdFor(request, done);
    if (!target.resolved) {
      request.dispatch(new AwaitPolicy(target, this.#clock, this.#options.discoveryTimeoutMs), undefined);
    } else if (target.policy === undefined) {
      this.#forget(authority);
      request.reject('unknown_destination');
    } else target.route(request);
  }

  /** The target is used until the request is over, or is routed once more. */
  #holdFor(request: RoutedRequest, done: () => void): void {
    const before = request.onOver;
    request.onOver = (end) => {
      done();
      before?.(end);
    };
  }

  /**
   * A refusal ends the watch, so a Service that is made later would never be seen while requests keep the name in use: after a while,
   * when the watch is over for sure, the name is asked about anew.
   */
  #forget(authority: string): void {
    if (this.#nobodys.size >= NAMES_MAX) this.#nobodys.clear();
    this.#nobodys.set(authority, this.#clock.monotonic() + 2 * this.#options.idleMs + 1000);
  }

  #isNobodys(authority: string): boolean {
    const untilMs = this.#nobodys.get(authority);
    if (untilMs === undefined) return false;
    if (this.#clock.monotonic() < untilMs) return true;
    this.#nobodys.delete(authority);
    return false;
  }
}

/** One per connection: what has no name goes to the connection's own destination. */
class NamedService implements HttpService {
  readonly requestDrop: number;
  readonly requestAdd: AddedFields;
  readonly responseDrop: number;
  readonly details: boolean;
  readonly servesProxies = false;
  readonly #names: NamedTargets;
  readonly #original: OutboundTarget;

  constructor(names: NamedTargets, original: OutboundTarget) {
    this.requestDrop = original.requestDrop | headerBit(HEADER.dstOverride);
    this.requestAdd = original.requestAdd;
    this.responseDrop = original.responseDrop;
    this.details = original.details;
    this.#names = names;
    this.#original = original;
  }

  route(request: RoutedRequest): void {
    const override = request.facts.field(DST_OVERRIDE);
    if (override === undefined) {
      this.#original.route(request);
      return;
    }
    const authority = parseOverride(override);
    if (authority === undefined) request.reject('bad_override');
    else this.#names.route(request, authority);
  }

  failed(code: FailureCode | H2Reason): void {
    this.#original.failed(code);
  }

  closed(connection: HttpConnection, why: Closed): void {
    this.#original.closed(connection, why);
  }
}

/** "name:port" in its one form; undefined for all that is not one name with a port or none, addresses included. */
export function parseOverride(text: string): string | undefined {
  const colon = text.lastIndexOf(':');
  const host = (colon < 0 ? text : text.slice(0, colon)).toLowerCase().replace(/\.$/, '');
  const digits = colon < 0 ? String(PORT_DEFAULT) : text.slice(colon + 1);
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : 0;
  if (port < 1 || port > 65_535 || !isDnsName(host) || /\.\d+$|^\d+$/.test(host)) return undefined;
  return `${host}:${port}`;
}

/** A request waits for what the control plane says of its destination, and is routed then. */
class AwaitPolicy implements Dispatcher {
  readonly retriesConnects = false;
  readonly #target: OutboundTarget;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  #forget: (() => void) | undefined;
  #timer: Timer | undefined;

  constructor(target: OutboundTarget, clock: Clock, timeoutMs: number) {
    this.#target = target;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#forget = undefined;
    this.#timer = undefined;
  }

  hasReady(): boolean {
    return false;
  }

  hasQuick(): boolean {
    return false;
  }

  acquire(waiter: Waiter): void {
    this.#timer = this.#clock.after(this.#timeoutMs, () => {
      this.cancel();
      waiter.refused('discovery_timeout');
    });
    this.#forget = this.#target.whenResolved(() => {
      this.cancel();
      waiter.rerouted();
    });
  }

  cancel(): void {
    this.#forget?.();
    this.#timer?.cancel();
    this.#forget = undefined;
    this.#timer = undefined;
  }
}
