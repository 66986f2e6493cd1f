/**
 * Outbound connections, from accept to the protocol that they turn out to speak.
 *
 *   original destination ──► discovery ──► opaque, tls ──► tunnel
 *                                      ├─► http1 ────────► HTTP/1 session
 *                                      ├─► http2, grpc ──► HTTP/2 session
 *                                      └─► detect ───────► HTTP/1 session | HTTP/2 session | tunnel
 */
import type { OutboundPolicy } from '@mesh/model';
import type { Address, Closed, Conn, Handlers } from '@mesh/net';
import type { Logger } from '@mesh/runtime';
import { detectHttp } from '../detect/detect-http.ts';
import type { HttpEngine } from '../http/engine.ts';
import { H2Session } from '../http/h2-session.ts';
import type { HttpService } from '../http/service.ts';
import { HttpSession } from '../http/session.ts';
import type { Labels, ProxyMetrics, TcpCells } from '../ports.ts';
import { fullRefLabels } from '../route/authorize.ts';
import { targetLabels } from '../route/inbound-port.ts';
import type { OutboundTarget } from '../route/outbound-target.ts';
import { errnoOf, TcpForward } from '../tcp/tcp-forward.ts';
import { detectResult, peek } from './peek.ts';

export interface OutboundAcceptOptions {
  /** Connections to these are loops ("ip:port"); a bare port counts for every address of the workload. */
  readonly isLoop: (target: Address) => boolean;
  /** How long a connection waits for the control plane's first answer about its destination. */
  readonly discoveryTimeoutMs: number;
}

export interface OutboundAcceptDeps {
  readonly engine: HttpEngine;
  readonly metrics: ProxyMetrics;
  readonly logger: Logger;
  /** What decides about the requests of a connection to `target`. */
  readonly serviceOf: (target: OutboundTarget) => HttpService;
  /** Takes a hold on the destination until `done` is called. */
  readonly useTarget: (address: Address) => { readonly target: OutboundTarget; readonly done: () => void };
}

/** A connection on its way: what all stages need. */
interface Accepted {
  readonly target: OutboundTarget;
  readonly cells: TcpCells;
  /** Everything that was held for it is given back; counted once. */
  over(why: Closed): void;
}

const NOTHING = new Uint8Array(0);
const DETECT_BYTES_MAX = 64 * 1024;
const SOURCE_TLS: Labels = { tls: 'no_identity', no_tls_reason: 'loopback' };

export class OutboundAccept {
  readonly #options: OutboundAcceptOptions;
  readonly #deps: OutboundAcceptDeps;

  constructor(options: OutboundAcceptOptions, deps: OutboundAcceptDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get handlers(): Handlers<undefined> {
    return {
      open: (conn) => this.#accept(conn),
      data: (conn) => conn.reset(),
      end: (conn) => conn.end(),
      drain() {},
      close() {},
    };
  }

  #accept(conn: Conn<undefined>): void {
    const address = conn.originalDst();
    if (address === undefined || this.#options.isLoop(address)) {
      this.#refuse(conn, address === undefined ? 'no_original_destination' : 'loop', address);
      return;
    }
    const { target, done } = this.#deps.useTarget(address);
    const hold = this.#deps.engine.drain.hold();
    const cells = this.#deps.metrics.tcp({
      direction: 'outbound',
      peer: 'src',
      ...targetLabels(address),
      ...SOURCE_TLS,
    });
    cells.openTotal.add(1);
    cells.openConnections.add(1);
    let open = true;
    const accepted: Accepted = {
      target,
      cells,
      over(why) {
        if (!open) return;
        open = false;
        cells.openConnections.add(-1);
        cells.closeTotal(errnoOf(why)).add(1);
        done();
        hold[Symbol.dispose]();
      },
    };
    if (target.resolved) this.#serve(conn, accepted);
    else this.#awaitPolicy(conn, accepted);
  }

  #awaitPolicy(conn: Conn<unknown>, accepted: Accepted): void {
    const { clock } = this.#deps.engine;
    const forget = accepted.target.whenResolved(() => {
      timer.cancel();
      this.#serve(waiting, accepted);
    });
    const timer = clock.after(this.#options.discoveryTimeoutMs, () => {
      forget();
      this.#refuse(waiting, 'discovery_timeout', accepted.target.address);
    });
    const waiting: Conn<unknown> = conn.handOver(
      {
        open() {},
        data: (early) => early.reset(),
        end() {},
        drain() {},
        close: (_conn, why) => {
          forget();
          timer.cancel();
          accepted.over(why);
        },
      },
      undefined,
    );
    waiting.pause();
  }

  #serve(conn: Conn<unknown>, accepted: Accepted): void {
    const { policy } = accepted.target;
    if (policy === undefined) {
      this.#end(conn, accepted, 'policy_refused');
      return;
    }
    const { protocol } = policy;
    switch (protocol.kind) {
      case 'opaque':
      case 'tls':
        this.#forward(conn, NOTHING, false, policy, accepted);
        break;
      case 'http2':
      case 'grpc':
        this.#serveHttp(2, conn, NOTHING, false, policy, accepted);
        break;
      case 'http1':
        this.#serveHttp(1, conn, NOTHING, false, policy, accepted);
        break;
      case 'detect':
        this.#detect(conn, protocol.timeoutMs, policy, accepted);
        break;
    }
  }

  #detect(conn: Conn<unknown>, timeoutMs: number, policy: OutboundPolicy, accepted: Accepted): void {
    const { engine, metrics } = this.#deps;
    const cells = metrics.detect('outbound', fullRefLabels('parent', policy.parent));
    const startedAt = engine.clock.monotonic();
    peek(conn, NOTHING, {
      timeoutMs,
      enough: (bytes) => bytes.length >= DETECT_BYTES_MAX || detectHttp(bytes) !== 'incomplete',
      closed: (why) => accepted.over(why),
      done: (peeked, bytes, end) => {
        const detected = detectHttp(bytes);
        const ended = end === 'ended';
        cells.durationSeconds.observe((engine.clock.monotonic() - startedAt) / 1000);
        const result = detectResult(detected, bytes, end);
        cells.result(result).add(1);
        if (result === 'error') peeked.end();
        else if (detected === 'http/1') this.#serveHttp(1, peeked, bytes, ended, policy, accepted);
        else if (detected === 'http/2') this.#serveHttp(2, peeked, bytes, ended, policy, accepted);
        else this.#forward(peeked, bytes, ended, policy, accepted);
      },
    });
  }

  #serveHttp(
    version: 1 | 2,
    conn: Conn<unknown>,
    bytes: Uint8Array,
    ended: boolean,
    policy: OutboundPolicy,
    accepted: Accepted,
  ): void {
    this.#countProtocol(`http/${version}`, policy);
    const Session = version === 2 ? H2Session : HttpSession;
    const session = new Session(conn, this.#deps.serviceOf(accepted.target), this.#deps.engine, accepted.cells);
    session.onOver = (why) => accepted.over(why);
    session.begin(bytes, ended);
  }

  #forward(conn: Conn<unknown>, bytes: Uint8Array, ended: boolean, policy: OutboundPolicy, accepted: Accepted): void {
    this.#countProtocol(policy.protocol.kind === 'tls' ? 'tls' : 'opaque', policy);
    new TcpForward({
      conn,
      first: bytes,
      ended,
      dispatcher: () => accepted.target.tcp(),
      engine: this.#deps.engine,
      cells: accepted.cells,
      failed: (code) => this.#countError(code, accepted.target.address),
      closed: (why) => accepted.over(why),
    }).start();
  }

  #countProtocol(protocol: string, policy: OutboundPolicy): void {
    this.#deps.metrics.protocolConnections({ protocol, ...fullRefLabels('parent', policy.parent) }).add(1);
  }

  #countError(error: string, address: Address): void {
    this.#deps.metrics.errors('outbound_tcp_errors_total', { ...targetLabels(address), error }).add(1);
  }

  /** Resets a connection that has been counted. */
  #end(conn: Conn<unknown>, accepted: Accepted, reason: string): void {
    const ending = conn.handOver(
      { open() {}, data() {}, end() {}, drain() {}, close: (_conn, why) => accepted.over(why) },
      undefined,
    );
    this.#refuse(ending, reason, accepted.target.address);
  }

  #refuse(conn: Conn<unknown>, reason: string, address: Address | undefined): void {
    if (address !== undefined) this.#countError(reason, address);
    this.#deps.logger.debug('outbound connection refused', { reason, target: address });
    conn.reset();
  }
}
