/** Keeps the plain ports that the mirror's slices ask for: opens those that are new, and lets those that are gone end. */
import { ENDPOINT_SLICES, Informer } from '@mesh/kube';
import type { EndpointSlice, KubeClient } from '@mesh/kube';
import { Backends } from '@mesh/proxy';
import type { BackendsDeps } from '@mesh/proxy';
import { messageOf } from '@mesh/runtime';
import type { Clock, Component, Logger, Timer } from '@mesh/runtime';
import { Bridge } from './bridge.ts';
import type { BridgeDeps } from './bridge.ts';
import { isSame, LABEL_PATH, planBridges } from './bridge-plan.ts';
import type { BridgeTarget } from './bridge-plan.ts';
import { keptEndpoints } from './kept-endpoints.ts';

export interface BridgesOptions {
  readonly ip: string;
  readonly reusePort: boolean;
  readonly keepAliveMs: number;
  /** A port whose slice is gone takes connections for so long: nodes send them until they know. */
  readonly lingerMs: number;
}

export interface BridgesDeps extends Omit<BridgeDeps, 'backendsOf'>, Pick<BackendsDeps, 'endpoints' | 'random'> {
  readonly client: KubeClient;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly connectBackoff: BackendsDeps['connectBackoff'];
}

/** What is open on a port that is gone may go on for so long. */
const GRACE_MS = 30_000;
/** A port that another process has may be free then. */
const RETRY_MS = 5_000;

export class Bridges implements Component {
  readonly name = 'bridges';
  readonly #options: BridgesOptions;
  readonly #deps: BridgesDeps;
  readonly #slices: Informer<EndpointSlice>;
  readonly #backends = new Map<string, Backends>();
  /** Open, or being opened; `leaving` where nobody asks for it any longer. */
  readonly #bridges = new Map<number, { readonly bridge: Bridge; leaving: Timer | undefined }>();
  /** Closed, with connections that may go on for a while. */
  readonly #ending = new Set<Bridge>();
  /** Ports whose listener is on its way out. */
  readonly #closing = new Set<number>();
  readonly #timers = new Set<Timer>();
  #isChanging = false;
  #isStopped = false;
  #problems = '';

  constructor(options: BridgesOptions, deps: BridgesDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#slices = new Informer(
      { kind: ENDPOINT_SLICES, labelSelector: `${LABEL_PATH}=bridge`, transform: trim },
      deps,
    );
  }

  /** Does not wait: peers are served whether or not there are bridges. */
  start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    this.#slices.onChange(() => this.#changed());
    this.#slices.run();
    return Promise.resolve();
  }

  /** Takes no more connections. */
  async close(): Promise<void> {
    this.#isStopped = true;
    await this.#slices[Symbol.asyncDispose]();
    await Promise.all([...this.#bridges.values()].map(({ bridge }) => bridge.close()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
    for (const timer of this.#timers) timer.cancel();
    for (const { bridge } of this.#bridges.values()) bridge.dispose();
    for (const bridge of this.#ending) bridge.dispose();
    this.#bridges.clear();
    this.#ending.clear();
  }

  /** Ports that are open, ascending. */
  get ports(): readonly number[] {
    return [...this.#bridges.keys()].sort((one, other) => one - other);
  }

  /** Many slices change together: looked at once. */
  #changed(): void {
    if (this.#isChanging) return;
    this.#isChanging = true;
    queueMicrotask(() => {
      this.#isChanging = false;
      if (!this.#isStopped) this.#reconcile();
    });
  }

  #reconcile(): void {
    const { targets, problems } = planBridges(this.#slices.list());
    const told = problems.join('; ');
    if (told !== this.#problems && told !== '') this.#deps.logger.warn('bridges not as asked for', { problems });
    this.#problems = told;
    for (const [port, kept] of this.#bridges) {
      const wanted = targets.get(port);
      // Connections that come for something else must not go where the last ones went.
      if (wanted !== undefined && !isSame(wanted, kept.bridge.target)) this.#retire(kept.bridge);
      else if (wanted === undefined)
        kept.leaving ??= this.#after(this.#options.lingerMs, () => this.#retire(kept.bridge));
      else {
        kept.leaving?.cancel();
        kept.leaving = undefined;
      }
    }
    for (const [port, target] of targets)
      if (!this.#bridges.has(port) && !this.#closing.has(port)) void this.#open(port, target);
  }

  async #open(port: number, target: BridgeTarget): Promise<void> {
    const bridge = new Bridge(port, target, { ...this.#deps, backendsOf: (cluster) => this.#backendsOf(cluster) });
    this.#bridges.set(port, { bridge, leaving: undefined });
    try {
      await bridge.listen(this.#options);
      this.#deps.logger.debug('bridge open', { bridge: bridge.toString() });
      if (this.#isStopped || this.#bridges.get(port)?.bridge !== bridge) await bridge.close();
    } catch (error) {
      this.#deps.logger.warn('bridge not open', { bridge: bridge.toString(), reason: messageOf(error) });
      if (this.#bridges.get(port)?.bridge === bridge) this.#bridges.delete(port);
      bridge.dispose();
      this.#after(RETRY_MS, () => this.#changed());
    }
  }

  #retire(bridge: Bridge): void {
    const { port } = bridge;
    this.#bridges.delete(port);
    this.#ending.add(bridge);
    this.#closing.add(port);
    void bridge.close().then(() => {
      this.#closing.delete(port);
      this.#changed();
    });
    this.#after(GRACE_MS, () => {
      this.#ending.delete(bridge);
      bridge.dispose();
    });
  }

  #backendsOf(cluster: string): Backends {
    let backends = this.#backends.get(cluster);
    if (backends === undefined) {
      const { endpoints } = this.#deps;
      backends = new Backends({
        ...this.#deps,
        // Only gateways of that cluster: pods of this one, and bridges, would go in circles.
        endpoints: keptEndpoints(
          endpoints,
          ({ authorityOverride, labels }) => authorityOverride !== undefined && labels['target_cluster'] === cluster,
        ),
        ownIps: new Set(),
      });
      this.#backends.set(cluster, backends);
    }
    return backends;
  }

  #after(delayMs: number, run: () => void): Timer {
    const timer = this.#deps.clock.after(delayMs, () => {
      this.#timers.delete(timer);
      if (!this.#isStopped) run();
    });
    this.#timers.add(timer);
    return timer;
  }
}

/** Endpoints change often, and say nothing here. */
function trim(slice: EndpointSlice): EndpointSlice {
  const { name, namespace, uid, resourceVersion, creationTimestamp, annotations } = slice.metadata;
  const metadata = { name, namespace, uid, resourceVersion, creationTimestamp, annotations };
  const present = Object.fromEntries(Object.entries(metadata).filter(([, value]) => value !== undefined));
  return { metadata: { name, ...present }, addressType: slice.addressType, endpoints: [] };
}
