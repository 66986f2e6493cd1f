/**
 * Which addresses of a gateway are alive. Each address has its own small machine; one success revives, `failureThreshold` failures
 * in a row take it out. After a first failure probes follow each other quickly, so that a dead gateway is out within two seconds
 * whatever the period; a connection kept open between probes tells at once when the process behind it goes.
 *
 *   unknown ──success──▶ alive ──failure──▶ alive, suspected ──threshold──▶ dead ──success──▶ alive
 *      └─────────────────── threshold ─────────────────────────────────────▲
 */
import type { Clock, Timer } from '@mesh/runtime';
import type { GatewayPlan, ProbePlan } from './link-plan.ts';

export type ProbeFailure =
  | 'refused'
  | 'timeout'
  | 'tls'
  | 'identity'
  | 'status'
  | 'protocol'
  | 'no_identity'
  | 'failed';

export type ProbeResult =
  | { readonly ok: true; readonly latencyMs: number }
  | { readonly ok: false; readonly failure: ProbeFailure; readonly detail: string };

export interface ProbeTarget {
  readonly ip: string;
  readonly port: number;
  readonly path: string;
  /** Server name and required identity. */
  readonly identity: string;
  readonly timeoutMs: number;
}

/** Asks one gateway address. May keep its connection; calls `onLost` when a kept one ends unasked. */
export interface ProbeSession extends Disposable {
  probe(): Promise<ProbeResult>;
}
export type ProbeConnector = (target: ProbeTarget, onLost: () => void) => ProbeSession;

export interface ProberHandlers {
  /** The verdict on an address changed, or its first one came. */
  readonly onVerdict: () => void;
  /** Only what is to be said about an address changed. */
  readonly onDetail: () => void;
  readonly onProbe: (ip: string, result: ProbeResult) => void;
}

/** Between probes of an address that just failed. Three of them, refused, take 0.5 s. */
const SUSPECT_PERIOD_MS = 200;
/** A probe of a suspected address need not wait for a healthy gateway's worst case. */
const SUSPECT_TIMEOUT_MS = 500;
/** A TCP connect and a TLS handshake within a continent take less; Linkerd's proxies give up connecting after 1 s too. */
const TIMEOUT_MAX_MS = 1_000;

interface AddressState {
  readonly ip: string;
  session: ProbeSession | undefined;
  suspectSession: boolean;
  alive: boolean | undefined;
  failures: number;
  latencyMs: number;
  lastFailure: { readonly failure: ProbeFailure; readonly detail: string } | undefined;
  timer: Timer | undefined;
  probing: boolean;
  again: boolean;
}

export class GatewayProber implements Disposable {
  readonly #connect: ProbeConnector;
  readonly #clock: Clock;
  readonly #handlers: ProberHandlers;
  readonly #states = new Map<string, AddressState>();
  #gateway: GatewayPlan | undefined;
  #probe: ProbePlan | undefined;
  #stopped = false;

  constructor(deps: { readonly connect: ProbeConnector; readonly clock: Clock }, handlers: ProberHandlers) {
    this.#connect = deps.connect;
    this.#clock = deps.clock;
    this.#handlers = handlers;
  }

  /** Follows a changed Link. Verdicts on addresses that stay are kept. */
  update(gateway: GatewayPlan | undefined, probe: ProbePlan | undefined, ips: readonly string[]): void {
    const changed =
      JSON.stringify([this.#gateway?.identity, this.#probe]) !== JSON.stringify([gateway?.identity, probe]);
    this.#gateway = gateway;
    this.#probe = probe;
    const wanted = new Set(gateway === undefined || probe === undefined ? [] : ips);
    for (const [ip, state] of this.#states) {
      if (wanted.has(ip)) continue;
      this.#drop(state);
      this.#states.delete(ip);
    }
    for (const ip of wanted) {
      const known = this.#states.get(ip);
      if (known === undefined) this.#add(ip);
      else if (changed) {
        this.#disconnect(known);
        this.#soon(known, 0);
      }
    }
  }

  /** Probes all addresses now, for instance since our certificate changed. */
  refresh(): void {
    for (const state of this.#states.values()) {
      this.#disconnect(state);
      this.#soon(state, 0);
    }
  }

  /** The verdict; unknown addresses count as `assumed`. Without probing every address is alive. */
  isAlive(ip: string, assumed: boolean): boolean {
    if (this.#probe === undefined) return true;
    return this.#states.get(ip)?.alive ?? assumed;
  }

  /** What is known of one address: its verdict, and why it is not alive or was not a moment ago. */
  stateOf(ip: string): { readonly alive: boolean | undefined; readonly failure: string | undefined } {
    const state = this.#states.get(ip);
    return { alive: this.#probe === undefined ? true : state?.alive, failure: state?.lastFailure?.detail };
  }

  /** True once every address has a verdict. */
  get settled(): boolean {
    return [...this.#states.values()].every((state) => state.alive !== undefined);
  }

  /** True, false, or `undefined` while unknown: the gateway as a whole. */
  get alive(): boolean | undefined {
    const verdicts = [...this.#states.values()].map((state) => state.alive);
    if (verdicts.includes(true)) return true;
    return verdicts.length === 0 || verdicts.includes(undefined) ? undefined : false;
  }

  /** Of the last successful probe of the fastest address; 0 when there was none. */
  get latencyMs(): number {
    const alive = [...this.#states.values()].filter((state) => state.alive === true);
    return alive.length === 0 ? 0 : Math.min(...alive.map((state) => state.latencyMs));
  }

  /** The last failure of an address that is not alive, or of any that just failed. */
  get lastFailure(): { readonly ip: string; readonly failure: ProbeFailure; readonly detail: string } | undefined {
    for (const state of this.#states.values()) {
      if (state.lastFailure !== undefined) return { ip: state.ip, ...state.lastFailure };
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#stopped = true;
    for (const state of this.#states.values()) this.#drop(state);
    this.#states.clear();
  }

  #add(ip: string): void {
    const state: AddressState = {
      ip,
      session: undefined,
      suspectSession: false,
      alive: undefined,
      failures: 0,
      latencyMs: 0,
      lastFailure: undefined,
      timer: undefined,
      probing: false,
      again: false,
    };
    this.#states.set(ip, state);
    // The first verdict is wanted at once: nothing waits for a period.
    void this.#run(state);
  }

  #soon(state: AddressState, delayMs: number): void {
    state.timer?.cancel();
    state.timer = this.#clock.after(delayMs, () => void this.#run(state));
  }

  async #run(state: AddressState): Promise<void> {
    if (state.probing) {
      state.again = true;
      return;
    }
    const session = this.#session(state);
    if (session === undefined) return;
    state.probing = true;
    const result = await session.probe();
    state.probing = false;
    if (this.#stopped || this.#states.get(state.ip) !== state) return;
    this.#judge(state, result);
    this.#handlers.onProbe(state.ip, result);
    const delayMs = state.again ? 0 : this.#delayMs(state);
    state.again = false;
    this.#soon(state, delayMs);
  }

  #judge(state: AddressState, result: ProbeResult): void {
    const before = state.alive;
    const failedBefore = state.lastFailure?.detail;
    if (result.ok) {
      state.failures = 0;
      state.alive = true;
      state.latencyMs = result.latencyMs;
      state.lastFailure = undefined;
      if (state.suspectSession) this.#disconnect(state);
    } else {
      state.failures += 1;
      state.lastFailure = { failure: result.failure, detail: result.detail };
      this.#disconnect(state);
      // Without a certificate of our own a failure says nothing about the gateway.
      const says = result.failure !== 'no_identity';
      if (says && state.failures >= (this.#probe?.failureThreshold ?? 1)) state.alive = false;
    }
    if (before !== state.alive) this.#handlers.onVerdict();
    else if (failedBefore !== state.lastFailure?.detail) this.#handlers.onDetail();
  }

  #delayMs(state: AddressState): number {
    const { periodMs = 0, failureThreshold = 1 } = this.#probe ?? {};
    // Most gateways that die are back within seconds: look often at first, and ever more rarely up to the period.
    const isSuspected = state.failures > 0 && state.alive !== false;
    const failureMs = isSuspected ? SUSPECT_PERIOD_MS : (SUSPECT_PERIOD_MS * state.failures) / failureThreshold;
    if (state.failures > 0) return Math.min(failureMs, periodMs);
    // Up to 10 % more, so that many mirrors do not probe a gateway in step.
    return periodMs * (1 + Math.random() * 0.1);
  }

  #session(state: AddressState): ProbeSession | undefined {
    if (state.session !== undefined) return state.session;
    const { identity } = this.#gateway ?? {};
    const probe = this.#probe;
    if (identity === undefined || probe === undefined) return undefined;
    state.suspectSession = state.failures > 0;
    const limitMs = state.suspectSession ? SUSPECT_TIMEOUT_MS : TIMEOUT_MAX_MS;
    const target = {
      ip: state.ip,
      port: probe.port,
      path: probe.path,
      identity,
      timeoutMs: Math.min(probe.timeoutMs, limitMs),
    };
    const session = this.#connect(target, () => {
      if (state.session !== session) return;
      this.#disconnect(state);
      void this.#run(state);
    });
    state.session = session;
    return session;
  }

  #disconnect(state: AddressState): void {
    const { session } = state;
    state.session = undefined;
    session?.[Symbol.dispose]();
  }

  #drop(state: AddressState): void {
    state.timer?.cancel();
    this.#disconnect(state);
  }
}
