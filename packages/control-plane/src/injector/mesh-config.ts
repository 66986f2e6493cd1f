/** The values that pods are injected with: ConfigMap `linkerd-config` of the control plane, read again at an interval. */
import { CONFIG_MAPS } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import type { Clock, Component, Logger, Timer } from '@mesh/runtime';
import { sleep } from '@mesh/runtime';
import { parse } from 'yaml';

import { injectionValues } from './values.ts';
import type { InjectionValues } from './values.ts';

/** One small read of one object: a changed value is in force within seconds. */
const REFRESH_MS = 5_000;
const RETRY_MS = 500;

export class MeshConfig implements Component {
  readonly name = 'mesh configuration';
  readonly #namespace: string;
  readonly #deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger };
  readonly #stop = new AbortController();
  #values: InjectionValues | undefined;
  #text = '';
  #timer: Timer | undefined;
  #failing = false;

  constructor(
    namespace: string,
    deps: { readonly client: KubeClient; readonly clock: Clock; readonly logger: Logger },
  ) {
    this.#namespace = namespace;
    this.#deps = deps;
  }

  /** Undefined before the first good read; later the last good one. */
  get values(): InjectionValues | undefined {
    return this.#values;
  }

  /** Resolves once there are values. */
  async start(signal: AbortSignal): Promise<void> {
    const both = AbortSignal.any([signal, this.#stop.signal]);
    while (!(await this.refresh())) await sleep(this.#deps.clock, RETRY_MS, both);
    this.#schedule();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort();
    this.#timer?.cancel();
  }

  /** False when nothing usable was there; what was known before stays. */
  async refresh(): Promise<boolean> {
    const { client, logger } = this.#deps;
    const name = `${this.#namespace}/linkerd-config`;
    try {
      const map = await client.get(
        CONFIG_MAPS,
        { namespace: this.#namespace, name: 'linkerd-config' },
        this.#stop.signal,
      );
      const text = map?.data?.['values'];
      if (text === undefined)
        throw new Error(
          `ConfigMap ${name} ${map === undefined ? 'does not exist' : 'has no key "values"'}: run mesh install`,
        );
      if (text !== this.#text || this.#values === undefined) {
        this.#values = injectionValues(parse(text));
        this.#text = text;
        logger.info('configuration read', { configMap: name });
      }
      this.#failing = false;
      return true;
    } catch (error) {
      if (!this.#failing && !this.#stop.signal.aborted)
        logger.warn('configuration not read; the last known stays in force', { configMap: name, error });
      this.#failing = true;
      return false;
    }
  }

  #schedule(): void {
    if (this.#stop.signal.aborted) return;
    this.#timer = this.#deps.clock.after(REFRESH_MS, () => void this.refresh().then(() => this.#schedule()));
  }
}
