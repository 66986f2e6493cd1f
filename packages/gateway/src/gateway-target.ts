/** One port of one exported Service, or of one pod of it: its balancers, by protocol, as long as they are used. */
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
import { failureAccrualOf } from './failure-accrual.ts';
import type { TargetName } from './service-name.ts';

type Dispatcher = LeasedDistribution['distribution'];

/** Asks for the policies of Services. */
export type ServicePolicies = Pick<OutboundDiscovery, 'resolveAuthority'>;

export interface GatewayTargetDeps {
  readonly backends: Backends;
  /** Undefined: nobody knows policies, and endpoints that fail get requests all the same. */
  readonly policies: ServicePolicies | undefined;
  readonly clusterDomain: string;
}

/** As Linkerd's proxy queues: enough for a burst, short enough to fail over elsewhere. */
export const QUEUE = { capacity: 10_000, failfastTimeoutMs: 3_000 };
export const EWMA = { defaultRttMs: 30, decayMs: 10_000 };

export class GatewayTarget {
  readonly service: TargetName;
  readonly port: number;
  /** `svc.ns.svc.domain:port`, also of a single pod: metrics tell Services apart, and peers could make up hostnames. */
  readonly authority: string;
  /** What discovery is asked for. */
  readonly #path: string;
  readonly #backends: Backends;
  readonly #leases = new Map<'http' | 'tcp', LeasedDistribution>();
  readonly #policy: Watched<OutboundPolicy | OutboundRefused> | undefined;
  readonly #unsubscribe: (() => void) | undefined;
  #failureAccrual: FailureAccrualPolicy | undefined;
  /** Called when it may be exported to others than before: each looks whether its own tunnel may stay. */
  readonly rechecks = new Set<() => void>();
  uses = 0;

  constructor(service: TargetName, port: number, deps: GatewayTargetDeps) {
    const { hostname } = service;
    this.service = service;
    this.port = port;
    this.authority = `${service.name}.${service.namespace}.svc.${deps.clusterDomain}:${port}`;
    this.#path = hostname === undefined ? this.authority : `${hostname}.${this.authority}`;
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

  recheck(): void {
    for (const recheck of this.rechecks) recheck();
  }

  dispose(): void {
    this.#unsubscribe?.();
    this.#policy?.release();
    for (const lease of this.#leases.values()) lease[Symbol.dispose]();
    this.#leases.clear();
  }

  #lease(kind: 'http' | 'tcp'): LeasedDistribution {
    const ref = this.#ref();
    const failureAccrual = this.#failureAccrual;
    const backend: Backend = {
      key: JSON.stringify([this.#path, failureAccrual]),
      ref,
      queue: QUEUE,
      failureAccrual,
      target: { kind: 'balancer', path: this.#path, ewma: EWMA },
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

  #ref(): ResourceRef {
    const { namespace, name } = this.service;
    return { group: 'core', kind: 'Service', namespace, name, port: this.port, section: '' };
  }
}
