/**
 * One container of a pod: starts its process, watches it, probes it, restarts it with backoff, stops it.
 *
 *   waiting -> running -> terminated -> (backoff) waiting -> running ...
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { MeshError, messageOf } from '@mesh/runtime';
import {
  type Container,
  type ContainerState,
  type ContainerStatus,
  nowTime,
  type Probe,
} from '../controllers/kinds.ts';
import { ContainerLogs } from './container-logs.ts';
import { execPlan, type ExecResult, killGroup, type LaunchPlan } from './launch.ts';
import { type ProbeTarget, runProbe } from './probe.ts';
import { Prober } from './prober.ts';

/** Backoff begins anew for a container that ran this long (the kubelet: 10 minutes). */
const STABLE_MS = 10_000;
const BACKOFF_LAST_MS = 10_000;
/** A missing ConfigMap or Secret is looked for at least this often. */
const CONFIG_RETRY_LAST_MS = 1_000;
const SIGNALS: Readonly<Record<string, number>> = {
  SIGHUP: 1,
  SIGINT: 2,
  SIGQUIT: 3,
  SIGABRT: 6,
  SIGKILL: 9,
  SIGSEGV: 11,
  SIGTERM: 15,
};

/** A container that the node plays itself, such as `proxy-init`: its output, or it throws. */
export type Builtin = () => Promise<readonly string[]>;

export interface ContainerHost {
  /** @throws MeshError with what the waiting reason shows */
  plan(container: Container): Promise<LaunchPlan | Builtin>;
  readonly podIp: string;
  readonly hostIp: string;
  readonly privilegedOffset: number;
  readonly backoffFirstMs: number;
  /** The pod's termination grace, for containers that a probe ends. */
  readonly graceMs: number;
  spawned(pid: number): void;
  exited(pid: number): void;
  /** The status changed: publish it. */
  changed(): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export type RestartRule = 'Always' | 'OnFailure' | 'Never';

/** The kubelet waits without limit; a hook that hangs for so long will not end. */
const POST_START_TIMEOUT_MS = 150_000;

export class ContainerRunner {
  readonly spec: Container;
  readonly logs = new ContainerLogs();
  readonly #host: ContainerHost;
  readonly #rule: RestartRule;
  readonly #finished = Promise.withResolvers<number>();
  readonly #startedOnce = Promise.withResolvers<void>();
  readonly #hookedOnce = Promise.withResolvers<void>();
  #child: ChildProcess | undefined;
  #probers: Prober[] = [];
  #state: ContainerState = { waiting: { reason: 'PodInitializing' } };
  #lastState: ContainerState = {};
  #ready = false;
  #started = false;
  #restarts = 0;
  #backoffMs: number;
  #runningSinceMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #stopping = false;
  #launching = false;
  #id = 0;

  constructor(spec: Container, rule: RestartRule, host: ContainerHost) {
    this.spec = spec;
    this.#rule = rule;
    this.#host = host;
    this.#backoffMs = host.backoffFirstMs;
  }

  /** Resolves to the exit code when the container will not run again. */
  get finished(): Promise<number> {
    return this.#finished.promise;
  }

  /** Resolves when the startup probe, if any, has succeeded for the first time. */
  get startedOnce(): Promise<void> {
    return this.#startedOnce.promise;
  }

  /** Resolves when the first postStart hook has ended, however it did, or there is none. Never before the first process. */
  get hookedOnce(): Promise<void> {
    return this.#hookedOnce.promise;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get ready(): boolean {
    return this.#ready;
  }

  get started(): boolean {
    return this.#started;
  }

  get state(): ContainerState {
    return this.#state;
  }

  get restarts(): number {
    return this.#restarts;
  }

  status(): ContainerStatus {
    return {
      name: this.spec.name,
      image: this.spec.image,
      imageID: this.#id === 0 ? '' : `local/${this.spec.image}`,
      ...(this.#id === 0 ? {} : { containerID: this.#containerId() }),
      ready: this.#ready,
      started: this.#started,
      restartCount: this.#restarts,
      state: structuredClone(this.#state),
      lastState: structuredClone(this.#lastState),
    };
  }

  /** Begins running; failures become waiting states and are tried again. */
  start(): void {
    void this.#launch();
  }

  /** Something that the container may have waited for has changed: try now. */
  retry(): void {
    if (this.#state.waiting?.reason !== 'CreateContainerConfigError') return;
    clearTimeout(this.#timer);
    void this.#launch();
  }

  signal(name: NodeJS.Signals): boolean {
    const pid = this.#child?.pid;
    return pid !== undefined && killGroup(pid, name);
  }

  /** preStop hook, SIGTERM, and SIGKILL after `graceMs`. Resolves when the process is gone. */
  async stop(graceMs: number): Promise<void> {
    const first = !this.#stopping;
    this.#stopping = true;
    clearTimeout(this.#timer);
    if (this.#child === undefined) {
      this.#finish(this.#state.terminated?.exitCode ?? 0);
      return;
    }
    const deadline = performance.now() + graceMs;
    if (first) this.#stopProbers(['liveness', 'startup']);
    const preStop = this.spec.lifecycle?.preStop;
    if (first && preStop !== undefined) await this.#runPreStop(preStop, graceMs);
    this.signal('SIGTERM');
    const timer = setTimeout(() => this.signal('SIGKILL'), Math.max(0, deadline - performance.now()));
    await this.finished;
    clearTimeout(timer);
  }

  /** Ends the process now. */
  kill(): void {
    this.#stopping = true;
    clearTimeout(this.#timer);
    if (!this.signal('SIGKILL')) this.#finish(this.#state.terminated?.exitCode ?? 137);
  }

  async #launch(): Promise<void> {
    if (this.#stopping || this.#launching) return;
    let plan: LaunchPlan | Builtin;
    this.#launching = true;
    try {
      plan = await this.#host.plan(this.spec);
    } catch (error) {
      this.#cannotStart(error);
      return;
    } finally {
      this.#launching = false;
    }
    // Stopping may have begun while the plan was made.
    if (this.#isStopping()) return;
    if (this.#state.waiting?.reason === 'CreateContainerConfigError') this.#backoffMs = this.#host.backoffFirstMs;
    this.#id += 1;
    this.logs.begin();
    if (typeof plan === 'function') await this.#runBuiltin(plan);
    else this.#spawn(plan);
  }

  #isStopping(): boolean {
    return this.#stopping;
  }

  #spawn({ argv, env, cwd }: LaunchPlan): void {
    const child = spawn(argv[0] ?? '', argv.slice(1), { env, cwd, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    if (child.pid !== undefined) this.#host.spawned(child.pid);
    this.logs.attach(child.stdout);
    this.logs.attach(child.stderr);
    const startedAt = nowTime();
    this.#runningSinceMs = performance.now();
    child.once('error', (error) => {
      if (child.pid !== undefined) return;
      this.#child = undefined;
      const message = `exec: ${JSON.stringify(argv[0])}: ${error.message}`;
      this.logs.append(message);
      this.#terminated({ exitCode: 128, reason: 'StartError', message, startedAt, finishedAt: nowTime() });
    });
    child.once('exit', (code, signal) => {
      const pid = child.pid ?? 0;
      // As when PID 1 of a container ends: the rest of its processes end with it.
      killGroup(pid, 'SIGKILL');
      this.#host.exited(pid);
      if (this.#child === child) this.#child = undefined;
      const exitCode = code ?? 128 + (SIGNALS[signal ?? ''] ?? 0);
      this.#terminated({ exitCode, reason: exitCode === 0 ? 'Completed' : 'Error', startedAt, finishedAt: nowTime() });
    });
    if (child.pid === undefined) return;
    this.#state = { running: { startedAt } };
    this.#host.event('Normal', 'Started', `Started container ${this.spec.name}`);
    this.#afterStart();
    this.#host.changed();
  }

  async #runBuiltin(builtin: Builtin): Promise<void> {
    const startedAt = nowTime();
    this.#state = { running: { startedAt } };
    let exitCode = 0;
    try {
      for (const line of await builtin()) this.logs.append(line);
    } catch (error) {
      this.logs.append(messageOf(error));
      exitCode = 1;
    }
    const reason = exitCode === 0 ? 'Completed' : 'Error';
    this.#terminated({ exitCode, reason, startedAt, finishedAt: nowTime() });
  }

  #afterStart(): void {
    const postStart = this.spec.lifecycle?.postStart;
    if (postStart === undefined) {
      this.#hookedOnce.resolve();
      this.#startProbes();
      return;
    }
    const child = this.#child;
    void this.#runHook(postStart, POST_START_TIMEOUT_MS).then((failure) => {
      this.#hookedOnce.resolve();
      if (this.#child !== child) return;
      if (failure !== undefined) {
        this.#host.event('Warning', 'FailedPostStartHook', `PostStartHook failed: ${failure}`);
        this.signal('SIGKILL');
        return;
      }
      this.#startProbes();
    });
  }

  #startProbes(): void {
    const { startupProbe } = this.spec;
    if (startupProbe === undefined) {
      this.#hasStarted();
      return;
    }
    this.#probe('startup', startupProbe, () => {
      this.#stopProbers(['startup']);
      this.#hasStarted();
    });
  }

  #hasStarted(): void {
    this.#started = true;
    this.#startedOnce.resolve();
    const { livenessProbe, readinessProbe } = this.spec;
    if (livenessProbe !== undefined) this.#probe('liveness', livenessProbe, () => undefined);
    if (readinessProbe === undefined) this.#ready = true;
    else this.#probe('readiness', readinessProbe, () => this.#setReady(true));
    this.#host.changed();
  }

  #probe(kind: 'startup' | 'liveness' | 'readiness', probe: Probe, onSuccess: () => void): void {
    const prober = new Prober(probe, this.#target(), {
      succeeded: onSuccess,
      attemptFailed: (message) => {
        const title = `${kind[0]?.toUpperCase() ?? ''}${kind.slice(1)}`;
        this.#host.event('Warning', 'Unhealthy', `${title} probe failed: ${message}`);
      },
      failed: () => {
        if (kind === 'readiness') {
          this.#setReady(false);
          return;
        }
        this.#host.event('Normal', 'Killing', `Container ${this.spec.name} failed ${kind} probe, will be restarted`);
        this.#stopProbers(['startup', 'liveness', 'readiness']);
        const { terminationGracePeriodSeconds: seconds } = probe;
        this.#killForProbe(seconds === undefined ? this.#host.graceMs : seconds * 1000);
      },
    });
    this.#probers.push(Object.assign(prober, { kind }));
  }

  #killForProbe(graceMs: number): void {
    const child = this.#child;
    this.signal('SIGTERM');
    const timer = setTimeout(() => {
      if (this.#child === child) this.signal('SIGKILL');
    }, graceMs);
    timer.unref();
  }

  #setReady(ready: boolean): void {
    if (this.#ready === ready) return;
    this.#ready = ready;
    this.#host.changed();
  }

  #stopProbers(kinds: readonly string[]): void {
    this.#probers = this.#probers.filter((prober) => {
      if (!kinds.includes((prober as Prober & { kind: string }).kind)) return true;
      prober.stop();
      return false;
    });
  }

  #terminated(terminated: NonNullable<ContainerState['terminated']>): void {
    this.#stopProbers(['startup', 'liveness', 'readiness']);
    this.#ready = false;
    this.#started = false;
    const fallback = this.spec.terminationMessagePolicy === 'FallbackToLogsOnError' && terminated.exitCode !== 0;
    const message = terminated.message ?? (fallback ? this.logs.tail(80, 2048) : undefined);
    const state = { ...terminated, ...(message ? { message } : {}), containerID: this.#containerId() };
    this.#state = { terminated: state };
    const again =
      !this.#stopping && (this.#rule === 'Always' || (this.#rule === 'OnFailure' && terminated.exitCode !== 0));
    if (!again) {
      this.#finish(terminated.exitCode);
      return;
    }
    if (performance.now() - this.#runningSinceMs > STABLE_MS) this.#backoffMs = this.#host.backoffFirstMs;
    this.#restartLater({ terminated: state });
  }

  #restartLater(last: ContainerState): void {
    const delay = this.#backoffMs;
    const crashing = this.#restarts > 0;
    this.#lastState = last;
    this.#restarts += 1;
    if (crashing) {
      const message = `back-off ${delay}ms restarting failed container=${this.spec.name}`;
      this.#state = { waiting: { reason: 'CrashLoopBackOff', message } };
      this.#host.event('Warning', 'BackOff', `Back-off restarting failed container ${this.spec.name}`);
    }
    this.#backoffMs = Math.min(BACKOFF_LAST_MS, delay * 2);
    this.#host.changed();
    this.#timer = setTimeout(() => void this.#launch(), delay);
  }

  #cannotStart(error: unknown): void {
    if (this.#stopping) return;
    const code = error instanceof MeshError ? (error as MeshError).code : 'unknown';
    const first = this.#state.waiting?.reason;
    const image = code === 'unknown_image';
    const again = first === 'ErrImagePull' || first === 'ImagePullBackOff';
    const reason = image ? (again ? 'ImagePullBackOff' : 'ErrImagePull') : 'CreateContainerConfigError';
    this.#state = { waiting: { reason, message: messageOf(error) } };
    this.#host.event('Warning', 'Failed', image ? messageOf(error) : `Error: ${messageOf(error)}`);
    this.#host.changed();
    const delay = image ? this.#backoffMs * 10 : Math.min(CONFIG_RETRY_LAST_MS, this.#backoffMs);
    this.#backoffMs = Math.min(BACKOFF_LAST_MS, this.#backoffMs * 2);
    this.#timer = setTimeout(() => void this.#launch(), delay);
  }

  #finish(exitCode: number): void {
    this.#finished.resolve(exitCode);
    this.logs.close();
    this.#host.changed();
  }

  async #runPreStop(hook: NonNullable<NonNullable<Container['lifecycle']>['preStop']>, graceMs: number): Promise<void> {
    const failure = await Promise.race([this.#runHook(hook, graceMs), this.finished.then(() => undefined)]);
    if (failure !== undefined) this.#host.event('Warning', 'FailedPreStopHook', `PreStopHook failed: ${failure}`);
  }

  async #runHook(
    hook: NonNullable<NonNullable<Container['lifecycle']>['preStop']>,
    timeoutMs: number,
  ): Promise<string | undefined> {
    if (hook.sleep === undefined) return runProbe(hook, this.#target(), timeoutMs);
    const ms = Math.min(timeoutMs, hook.sleep.seconds * 1000);
    await new Promise((resolve) => setTimeout(resolve, ms));
    return undefined;
  }

  #target(): ProbeTarget {
    const { podIp, hostIp, privilegedOffset } = this.#host;
    const exec = (command: readonly string[], timeoutMs: number): Promise<ExecResult> => this.exec(command, timeoutMs);
    return { podIp, hostIp, privilegedOffset, container: this.spec, exec };
  }

  /** Runs a command beside the container's process, with its variables, folder and network. */
  async exec(command: readonly string[], timeoutMs: number): Promise<ExecResult> {
    const plan = await this.#host.plan({ ...this.spec, command: [...command], args: [] });
    if (typeof plan === 'function') return { code: 126, output: 'the container has no process' };
    return execPlan(plan, timeoutMs, this.#host);
  }

  #containerId(): string {
    return `local://${this.spec.name}-${this.#id}`;
  }
}
