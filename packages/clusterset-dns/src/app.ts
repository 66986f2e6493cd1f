/** The name server put together: admin port, sockets, caches. */
import type { KubeClient } from '@mesh/kube';
import { MetricRegistry, Readiness, registerProcessMetrics, startAll } from '@mesh/runtime';
import { AdminServer } from '@mesh/runtime/admin';
import type { Clock, Component, LogControl, Logger } from '@mesh/runtime';
import { DnsServer } from './dns-server.ts';
import { DnsMetrics } from './metrics.ts';
import { Responder } from './responder.ts';
import { ClustersetZone, DEFAULT_ZONE } from './zone.ts';
import { ZoneCaches } from './zone-caches.ts';

export interface ClustersetDnsOptions {
  /** Default `clusterset.local`. */
  readonly zone?: string;
  /** UDP and TCP. Port 0 for any. */
  readonly address: { readonly host: string; readonly port: number };
  /** Absent: no admin port. */
  readonly adminAddress?: { readonly host: string; readonly port: number };
  /** What `ns.dns.<zone>` stands for, 4 or 16 bytes each. */
  readonly serverAddresses?: readonly Uint8Array[];
}

export interface ClustersetDnsDeps {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Changed at run time through the admin port. */
  readonly logControl: LogControl;
}

/** Answers for the zone of multi-cluster Services. `start` resolves when the zone is complete. */
export class ClustersetDns implements Component {
  readonly name = 'clusterset dns';
  readonly metrics = new MetricRegistry();
  readonly readiness = new Readiness();
  readonly #caches: ZoneCaches;
  readonly #server: DnsServer;
  readonly #admin: AdminServer | undefined;
  readonly #notReady: Disposable;
  #started: AsyncDisposableStack | undefined;

  constructor(options: ClustersetDnsOptions, deps: ClustersetDnsDeps) {
    const { metrics, readiness } = this;
    this.#notReady = readiness.block('imports of this cluster');
    registerProcessMetrics(metrics);
    const zone = new ClustersetZone({
      name: options.zone ?? DEFAULT_ZONE,
      serverAddresses: options.serverAddresses ?? [],
      firstSerial: Math.floor(deps.clock.now() / 1000) >>> 0,
    });
    this.#caches = new ZoneCaches({ ...deps, zone });
    const observer = new DnsMetrics(metrics, () => ({
      imports: zone.importCount,
      slices: this.#caches.sliceCount,
      stalenessMs: this.#caches.synced ? this.#caches.stalenessMs : 0,
    }));
    const handler = new Responder(zone, () => this.#caches.synced, observer);
    this.#server = new DnsServer(options.address, { handler, observer, logger: deps.logger });
    this.#admin =
      options.adminAddress === undefined
        ? undefined
        : new AdminServer(options.adminAddress, { ...deps, readiness, metrics });
  }

  /** Admin first, so that probes see a process that waits; sockets before caches, so that a taken port ends it at once. */
  async start(signal: AbortSignal): Promise<void> {
    const parts: readonly (Component | undefined)[] = [this.#admin, this.#server, this.#caches];
    this.#started = await startAll(
      parts.filter((part) => part !== undefined),
      signal,
    );
    this.#notReady[Symbol.dispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started?.disposeAsync();
  }

  /** The bound port of both UDP and TCP. */
  get port(): number {
    return this.#server.port;
  }

  get adminPort(): number {
    return this.#admin?.port ?? 0;
  }
}
