/** Exported Services in use: one balancer per Service port and protocol, kept while connections use it and a while after. */
import { isDeepStrictEqual } from 'node:util';
import type {
  Backend,
  Distribution,
  FailureAccrualPolicy,
  OutboundPolicy,
  OutboundRefused,
  ResourceRef,
  Watched,
} from '@mesh/model';
import type { Backends, LeasedDistribution, OutboundDiscovery } from '@mesh/proxy';
import type { Clock, Timer } from '@mesh/runtime';
import { parseServiceName } from './exported-services.ts';
import type { ExportedServices, ServiceName } from './exported-services.ts';
import { failureAccrualOf } from './failure-accrual.ts';

type Dispatcher = LeasedDistribution['distribution'];

/** Asks for the policies of Services. */
export type ServicePolicies = Pick<OutboundDiscovery, 'resolveAuthority'>;

/** Why a name cannot be served; doubles as the code of the answer. */
export type TargetRefusal = 'gateway_domain_invalid' | 'not_exported';

export interface GatewayTargetsDeps {
  readonly backends: Backends;
  readonly exports: ExportedServices;
  /** Undefined: nobody knows policies, and endpoints that fail get requests all the same. */
  readonly policies: ServicePolicies | undefined;
  readonly clusterDomain: string;
  readonly clock: Clock;
}

/** Nobody used it for this long: its discovery stream ends. */
const IDLE_MS = 60_000;
/** As Linkerd's proxy queues: enough for a burst, short enough to fail over elsewhere. */
const QUEUE = { capacity: 10_000, failfastTimeoutMs: 3_000 };
const EWMA = { defaultRttMs: 30, decayMs: 10_000 };

/** One port of one exported Service. */
export class GatewayTarget {
  readonly service: ServiceName;
  readonly port: number;
  /** `svc.ns.svc.domain:port`. */
  readonly authority: string;
  readonly #backends: Backends;
  readonly #leases = new Map<'http' | 'tcp', LeasedDistribution>();
  readonly #policy: Watched<OutboundPolicy | OutboundRefused> | undefined;
  readonly #unsubscribe: (() => void) | undefined;
  #failureAccrual: FailureAccrualPolicy | undefined;
  /** Ends the tunnels of this target. */
  readonly cuts = new Set<() => void>();
  uses = 0;

  constructor(service: ServiceName, port: number, deps: GatewayTargetsDeps) {
    this.service = service;
    this.port = port;
    this.authority = `${service.name}.${service.namespace}.svc.${deps.clusterDomain}:${port}`;
    this.#backends = deps.backends;
    this.#policy = deps.policies?.resolveAuthority(this.authority);
    this.#unsubscribe = this.#policy?.onChange(() => this.#policyChanged());
    this.#policyChanged();
  }

  dispatcher(kind: 'http' | 'tcp'): Dispatcher {
    let lease = this.#leases.get(kind);
    if (lease === undefined) {
      lease = this.#lease(kind);
      this.#leases.set(kind, lease);
    }
    return lease.distribution;
  }

  #lease(kind: 'http' | 'tcp'): LeasedDistribution {
    const ref = this.#ref();
    const failureAccrual = this.#failureAccrual;
    const backend: Backend = {
      key: JSON.stringify([this.authority, failureAccrual]),
      ref,
      queue: QUEUE,
      failureAccrual,
      target: { kind: 'balancer', path: this.authority, ewma: EWMA },
    };
    const distribution: Distribution = { kind: 'first_available', backends: [backend] };
    return this.#backends.lease(distribution, ref, kind);
  }

  /** A balancer with the new rule takes over; what waits in the old one asks again. A refusal after an answer changes nothing. */
  #policyChanged(): void {
    const policy = this.#policy?.current;
    if (policy === undefined || 'refused' in policy) return;
    const next = failureAccrualOf(policy);
    if (isDeepStrictEqual(next, this.#failureAccrual)) return;
    this.#failureAccrual = next;
    const before = this.#leases.get('http');
    if (before === undefined) return;
    this.#leases.set('http', this.#lease('http'));
    before[Symbol.dispose]();
  }

  dispose(): void {
    this.#unsubscribe?.();
    this.#policy?.release();
    for (const lease of this.#leases.values()) lease[Symbol.dispose]();
    this.#leases.clear();
  }

  #ref(): ResourceRef {
    return { group: 'core', kind: 'Service', ...this.service, port: this.port, section: '' };
  }
}

export class GatewayTargets implements Disposable {
  readonly #deps: GatewayTargetsDeps;
  readonly #targets = new Map<string, GatewayTarget>();
  readonly #timers = new Map<GatewayTarget, Timer>();
  readonly #unsubscribe: () => void;
  #generation = 0;

  constructor(deps: GatewayTargetsDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.exports.onChange((key) => this.#exportsChanged(key));
  }

  /** @param host As in the transport header. */
  find(host: string, port: number): GatewayTarget | TargetRefusal {
    const service = parseServiceName(host, this.#deps.clusterDomain);
    if (service === undefined) return 'gateway_domain_invalid';
    if (!this.#deps.exports.has(service, port)) return 'not_exported';
    const key = `${service.namespace}/${service.name}:${port}`;
    let target = this.#targets.get(key);
    if (target === undefined) {
      target = new GatewayTarget(service, port, this.#deps);
      this.#targets.set(key, target);
      this.#expireLater(key, target);
    }
    return target;
  }

  /** As {@link find}, for one connection: asked per request, and answered from memory while nothing changed. */
  lookup(host: string, port: number): () => GatewayTarget | TargetRefusal {
    let found = this.find(host, port);
    let generation = this.#generation;
    return () => {
      if (generation !== this.#generation) {
        generation = this.#generation;
        found = this.find(host, port);
      }
      return found;
    };
  }

  /** Keeps the target until the result is called. */
  hold(target: GatewayTarget): () => void {
    target.uses += 1;
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      target.uses -= 1;
    };
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    for (const timer of this.#timers.values()) timer.cancel();
    for (const target of this.#targets.values()) target.dispose();
    this.#targets.clear();
  }

  /** A Service that is no longer exported: requests that wait are answered, open tunnels are cut. */
  #exportsChanged(serviceKey: string): void {
    this.#generation += 1;
    for (const [key, target] of this.#targets) {
      const { service, port } = target;
      if (`${service.namespace}/${service.name}` !== serviceKey || this.#deps.exports.has(service, port)) continue;
      this.#drop(key, target);
      for (const cut of target.cuts) cut();
    }
  }

  #drop(key: string, target: GatewayTarget): void {
    this.#generation += 1;
    this.#targets.delete(key);
    this.#timers.get(target)?.cancel();
    this.#timers.delete(target);
    target.dispose();
  }

  #expireLater(key: string, target: GatewayTarget): void {
    const timer = this.#deps.clock.after(IDLE_MS, () => {
      if (this.#targets.get(key) !== target) return;
      if (target.uses === 0) this.#drop(key, target);
      else this.#expireLater(key, target);
    });
    this.#timers.set(target, timer);
  }
}
