/** The chain of admission plugins, in Kubernetes' order: built-in mutators, webhooks, built-in validators, webhooks. */
import type { Admission, AdmissionAttributes } from './machinery.ts';

/** One plugin; either half may be missing. */
export interface AdmissionPlugin {
  readonly name: string;
  mutate?(attributes: AdmissionAttributes): Promise<void> | void;
  validate?(attributes: AdmissionAttributes): Promise<void> | void;
}

export class AdmissionChain implements Admission {
  readonly #plugins: AdmissionPlugin[] = [];

  add(...plugins: readonly AdmissionPlugin[]): void {
    this.#plugins.push(...plugins);
  }

  async mutate(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) await plugin.mutate?.(attributes);
  }

  async validate(attributes: AdmissionAttributes): Promise<void> {
    for (const plugin of this.#plugins) await plugin.validate?.(attributes);
  }
}
