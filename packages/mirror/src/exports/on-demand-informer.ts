/** An informer that runs only while somebody needs it: what costs memory and traffic with the size of the cluster waits for a reason. */
import type { ChangeHandler, Informer, KubeObject, Store } from '@mesh/kube';
import type { Clock, Timer } from '@mesh/runtime';

export interface OnDemandDeps<T extends KubeObject> {
  readonly create: () => Informer<T>;
  readonly clock: Clock;
  readonly onChange: ChangeHandler<T>;
  /** What the copy is worth may have changed. */
  readonly onStatus: () => void;
}

/** An export that is taken away and put back within this time finds the copy still there. */
const LINGER_MS = 60_000;

export class OnDemandInformer<T extends KubeObject> implements AsyncDisposable {
  readonly #deps: OnDemandDeps<T>;
  readonly #needs = new Set<string>();
  #informer: Informer<T> | undefined;
  #linger: Timer | undefined;
  /** Those being stopped. */
  #stopping: Promise<unknown> = Promise.resolve();
  #isRunning = false;

  constructor(deps: OnDemandDeps<T>) {
    this.#deps = deps;
  }

  /** Needs may be declared before; they count from now. */
  run(): void {
    this.#isRunning = true;
    this.#adjust();
  }

  /** @param who Whose need it is. */
  need(who: string, isNeeded: boolean): void {
    if (isNeeded) this.#needs.add(who);
    else this.#needs.delete(who);
    this.#adjust();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isRunning = false;
    this.#linger?.cancel();
    await this.#informer?.[Symbol.asyncDispose]();
    await this.#stopping;
  }

  /** `undefined` while nobody needs it. */
  get store(): Store<T> | undefined {
    return this.#informer;
  }

  /** True when everything is known that anybody needs. */
  get synced(): boolean {
    return this.#needs.size === 0 || this.#informer?.synced === true;
  }

  /** How old the copy may be, milliseconds; 0 while connected or not needed. */
  get stalenessMs(): number {
    return this.#needs.size === 0 ? 0 : (this.#informer?.stalenessMs ?? 0);
  }

  #adjust(): void {
    if (!this.#isRunning) return;
    if (this.#needs.size > 0) {
      this.#linger?.cancel();
      this.#linger = undefined;
      if (this.#informer === undefined) this.#start();
    } else if (this.#informer !== undefined) {
      this.#linger ??= this.#deps.clock.after(LINGER_MS, () => this.#stop());
    }
  }

  #start(): void {
    const informer = this.#deps.create();
    this.#informer = informer;
    informer.onChange((change) => {
      if (this.#informer === informer) this.#deps.onChange(change);
    });
    informer.onStatus(this.#deps.onStatus);
    informer.run();
  }

  #stop(): void {
    this.#linger = undefined;
    const informer = this.#informer;
    this.#informer = undefined;
    this.#stopping = Promise.all([this.#stopping, informer?.[Symbol.asyncDispose]()]);
  }
}
