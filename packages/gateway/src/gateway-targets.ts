/** What peers may reach, by the names that they ask for: found, kept while connections use it and a while after, and checked again as exports change. */
import type { Clock, Timer } from '@mesh/runtime';
import type { Exports } from './exports.ts';
import { GatewayTarget } from './gateway-target.ts';
import type { GatewayTargetDeps } from './gateway-target.ts';
import { parseServiceName } from './service-name.ts';

/** Why a name cannot be served; doubles as the code of the answer. */
export type TargetRefusal = 'gateway_domain_invalid' | 'not_exported' | 'not_exported_to_peer' | 'overloaded';

export interface GatewayTargetsDeps extends GatewayTargetDeps {
  readonly exports: Pick<Exports, 'decide' | 'onChange'>;
  readonly clock: Clock;
}

/** Nobody used it for this long: its discovery stream ends. */
const IDLE_MS = 60_000;
/** Single pods at a time: each is a discovery stream, and peers could make up any hostname. More than a large StatefulSet has. */
const POD_TARGETS_MAX = 2_000;

export class GatewayTargets implements Disposable {
  readonly #deps: GatewayTargetsDeps;
  readonly #targets = new Map<string, GatewayTarget>();
  readonly #timers = new Map<GatewayTarget, Timer>();
  readonly #unsubscribe: () => void;
  #generation = 0;
  #podTargets = 0;

  constructor(deps: GatewayTargetsDeps) {
    this.#deps = deps;
    this.#unsubscribe = deps.exports.onChange((namespace) => this.#changed(namespace));
  }

  /** @param host As in the transport header. */
  find(host: string, port: number, peer: string | undefined): GatewayTarget | TargetRefusal {
    const service = parseServiceName(host, this.#deps.clusterDomain);
    if (service === undefined) return 'gateway_domain_invalid';
    const decision = this.#deps.exports.decide(service, port, peer);
    if (decision !== 'allowed') return decision;
    const { namespace, name, hostname = '' } = service;
    const key = `${namespace}/${name}:${port} ${hostname}`;
    const known = this.#targets.get(key);
    if (known !== undefined) return known;
    if (hostname !== '' && this.#podTargets >= POD_TARGETS_MAX) return 'overloaded';
    const target = new GatewayTarget(service, port, this.#deps);
    this.#targets.set(key, target);
    if (hostname !== '') this.#podTargets += 1;
    this.#expireLater(key, target);
    return target;
  }

  /** The same as `find`, which asks {@link find} in the end; answered from memory while nothing changed. For one connection. */
  remembered(find: () => GatewayTarget | TargetRefusal): () => GatewayTarget | TargetRefusal {
    let found = find();
    let generation = this.#generation;
    return () => {
      if (generation !== this.#generation) {
        generation = this.#generation;
        found = find();
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

  /** Who is whose has changed: everything is asked for again. */
  peersChanged(): void {
    this.#generation += 1;
    for (const target of this.#targets.values()) target.recheck();
  }

  [Symbol.dispose](): void {
    this.#unsubscribe();
    for (const timer of this.#timers.values()) timer.cancel();
    for (const target of this.#targets.values()) target.dispose();
    this.#targets.clear();
  }

  /** Requests that wait for a Service that nobody may reach any longer are answered; each tunnel looks whether it may stay. */
  #changed(namespace: string): void {
    this.#generation += 1;
    for (const [key, target] of this.#targets) {
      if (target.service.namespace !== namespace) continue;
      if (this.#deps.exports.decide(target.service, target.port, undefined) === 'not_exported') this.#drop(key, target);
      target.recheck();
    }
  }

  #drop(key: string, target: GatewayTarget): void {
    this.#generation += 1;
    this.#targets.delete(key);
    if (target.service.hostname !== undefined) this.#podTargets -= 1;
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
