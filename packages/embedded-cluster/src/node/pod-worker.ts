/**
 * The life of one pod on this node: network and folders, init containers in order, sidecars,
 * containers, status, and the way down.
 */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { isAbort, type Logger } from '@mesh/runtime';
import { type Container, type Pod, type PodStatus, nowTime } from '../controllers/kinds.ts';
import { podEnvironment, type PodNetwork, type Redirect } from '../pod-net/pod-environment.ts';
import { type Builtin, type ContainerHost, ContainerRunner, type RestartRule } from './container.ts';
import type { LaunchPlan } from './launch.ts';
import { containerVariables, type PodSources } from './environment.ts';
import { expand, translatePaths } from './expansion.ts';
import { argumentVector, findImage, type Images } from './images.ts';
import { isSidecar, podStatus } from './pod-status.ts';
import { parseProxyInit } from './proxy-init.ts';
import type { PodTokens } from './service-account-tokens.ts';
import { type Files, mountsOf, publish, sameFiles, volumeFiles } from './volumes.ts';

const ACCOUNT_FOLDER = '/var/run/secrets/kubernetes.io/serviceaccount';
/**
 * From when the Service proxy sends no new connections to a pod until its SIGTERM: a container runtime takes longer, and in this
 * time sidecars learn that the pod is going.
 */
const RUNTIME_DELAY_MS = 50;
const WITHDRAWAL_MAX_MS = 3_000;
/** Sidecars get at least this long to end, even when the containers used up the grace period. */
const SIDECAR_GRACE_MIN_MS = 2_000;

export interface PodDeps {
  readonly images: Images;
  readonly sources: PodSources;
  readonly tokens: PodTokens;
  readonly network: Omit<PodNetwork, 'redirect' | 'ports' | 'announceFolder'>;
  readonly hostIp: string;
  readonly folder: string;
  readonly backoffFirstMs: number;
  readonly log: Logger;
  /** Resolves when no new connection goes to the pod, which is being deleted, or after `timeoutMs`. */
  withdrawn(timeoutMs: number): Promise<void>;
  publishStatus(status: PodStatus): void;
  spawned(pid: number): void;
  exited(pid: number): void;
  event(type: 'Normal' | 'Warning', reason: string, message: string): void;
}

export class PodWorker {
  readonly #deps: PodDeps;
  readonly #init = new Map<string, ContainerRunner>();
  readonly #main = new Map<string, ContainerRunner>();
  readonly #published = new Map<string, Files>();
  readonly #startTime = nowTime();
  readonly #stopping = new AbortController();
  readonly #gone = Promise.withResolvers<void>();
  #pod: Pod;
  #redirect: Redirect | undefined;
  #initialized = false;
  #finalPhase: 'Succeeded' | 'Failed' | undefined;
  #failure: { reason: string; message: string } | undefined;
  #publishQueued = false;
  #generation = 0;
  #volumes: Promise<void> = Promise.resolve();
  #renewal: NodeJS.Timeout | undefined;
  #deadline: NodeJS.Timeout | undefined;
  #terminating: Promise<void> | undefined;

  constructor(pod: Pod, deps: PodDeps) {
    this.#pod = pod;
    this.#deps = deps;
  }

  get pod(): Pod {
    return this.#pod;
  }

  get podIp(): string {
    return this.#deps.network.ip;
  }

  get #graceMs(): number {
    return (this.#pod.spec.terminationGracePeriodSeconds ?? 30) * 1000;
  }

  get finished(): boolean {
    return this.#finalPhase !== undefined;
  }

  runner(container: string): ContainerRunner | undefined {
    return this.#main.get(container) ?? this.#init.get(container);
  }

  runners(): ContainerRunner[] {
    return [...this.#init.values(), ...this.#main.values()];
  }

  /** Takes a newer version of the object: labels, annotations and foreign conditions may change. */
  update(pod: Pod): void {
    const changed =
      JSON.stringify([pod.metadata.labels, pod.metadata.annotations]) !==
      JSON.stringify([this.#pod.metadata.labels, this.#pod.metadata.annotations]);
    this.#pod = pod;
    if (changed) this.refreshVolumes();
  }

  start(): void {
    void this.#run().catch((error: unknown) => {
      if (!isAbort(error)) this.#deps.log.error('pod failed to run', { pod: this.#pod.metadata.name, error });
    });
  }

  /** True when a volume of this pod shows the object. */
  uses(kind: 'configMap' | 'secret', name: string): boolean {
    return (this.#pod.spec.volumes ?? []).some((volume) => {
      if (kind === 'configMap' && volume.configMap?.name === name) return true;
      if (kind === 'secret' && volume.secret?.secretName === name) return true;
      return volume.projected?.sources?.some((source) => source[kind]?.name === name) ?? false;
    });
  }

  /** Brings mounted files up to date; missing objects leave what is there. */
  refreshVolumes(): void {
    if (this.#published.size === 0) return;
    void this.#publishVolumes().catch((error: unknown) => {
      this.#deps.log.debug('volume not refreshed', { pod: this.#pod.metadata.name, error });
    });
  }

  /** Ends everything within `graceMs`; resolves when no process is left. A shorter grace hastens an earlier call. */
  async terminate(graceMs: number): Promise<void> {
    if (graceMs === 0) for (const runner of this.runners()) runner.kill();
    this.#terminating ??= this.#terminate(graceMs);
    await this.#terminating;
  }

  async #terminate(graceMs: number): Promise<void> {
    this.#stopping.abort();
    clearTimeout(this.#renewal);
    clearTimeout(this.#deadline);
    const deadline = performance.now() + graceMs;
    const left = (least: number): number => (graceMs === 0 ? 0 : Math.max(least, deadline - performance.now()));
    if (graceMs > RUNTIME_DELAY_MS && this.#main.size > 0) {
      await this.#deps.withdrawn(Math.min(graceMs / 2, WITHDRAWAL_MAX_MS));
      await new Promise((resolve) => setTimeout(resolve, RUNTIME_DELAY_MS));
    }
    const plain = [...this.#init.values()].filter((runner) => !isSidecar(runner.spec));
    await Promise.all([...this.#main.values(), ...plain].map((runner) => runner.stop(graceMs)));
    await this.#stopSidecars(() => left(SIDECAR_GRACE_MIN_MS));
    this.#gone.resolve();
    // A volume that is being written at this moment may put a file back.
    await rm(this.#deps.folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  }

  async #stopSidecars(graceMs: () => number): Promise<void> {
    const sidecars = [...this.#init.values()].filter((runner) => isSidecar(runner.spec));
    for (const sidecar of sidecars.reverse()) await sidecar.stop(graceMs());
  }

  async #run(): Promise<void> {
    const { folder } = this.#deps;
    this.#publishSoon();
    this.#startDeadline();
    await mkdir(join(folder, 'ports'), { recursive: true });
    await mkdir(join(folder, 'home'), { recursive: true });
    for (const volume of this.#pod.spec.volumes ?? [])
      await mkdir(join(folder, 'volumes', volume.name), { recursive: true });
    for (const container of this.#pod.spec.initContainers ?? []) {
      if (!(await this.#runInit(container))) return;
    }
    this.#stopping.signal.throwIfAborted();
    this.#initialized = true;
    const rule = (this.#pod.spec.restartPolicy ?? 'Always') as RestartRule;
    for (const container of this.#pod.spec.containers) {
      const runner = this.#create(container, rule, this.#main);
      runner.start();
      // As the kubelet does: a hook holds up the containers behind its own.
      if (container.lifecycle?.postStart === undefined) continue;
      await Promise.race([runner.hookedOnce, runner.finished, this.#gone.promise]);
      this.#stopping.signal.throwIfAborted();
    }
    this.#publishSoon();
    const codes = await Promise.all([...this.#main.values()].map((runner) => runner.finished));
    clearTimeout(this.#deadline);
    if (this.#stopping.signal.aborted) return;
    this.#finalPhase = codes.every((code) => code === 0) ? 'Succeeded' : 'Failed';
    await this.#stopSidecars(() => this.#graceMs);
    clearTimeout(this.#renewal);
    this.#publishSoon();
  }

  /** `activeDeadlineSeconds`: a pod that runs longer fails. */
  #startDeadline(): void {
    const seconds = this.#pod.spec.activeDeadlineSeconds;
    if (seconds === undefined) return;
    this.#deadline = setTimeout(() => {
      this.#failure = {
        reason: 'DeadlineExceeded',
        message: 'Pod was active on the node longer than the specified deadline',
      };
      this.#finalPhase = 'Failed';
      this.#deps.event('Normal', 'DeadlineExceeded', this.#failure.message);
      void this.terminate(this.#graceMs).then(() => this.#publishSoon());
    }, seconds * 1000);
    this.#deadline.unref();
  }

  /** @returns false when the pod failed */
  async #runInit(container: Container): Promise<boolean> {
    this.#stopping.signal.throwIfAborted();
    const policy = this.#pod.spec.restartPolicy ?? 'Always';
    const rule = isSidecar(container) ? 'Always' : policy === 'Never' ? 'Never' : 'OnFailure';
    const runner = this.#create(container, rule, this.#init);
    runner.start();
    if (isSidecar(container)) {
      await Promise.race([runner.startedOnce, this.#gone.promise]);
      return true;
    }
    const code = await runner.finished;
    if (code === 0 || this.#stopping.signal.aborted) return true;
    this.#finalPhase = 'Failed';
    await this.#stopSidecars(() => this.#graceMs);
    this.#publishSoon();
    return false;
  }

  #create(container: Container, rule: RestartRule, into: Map<string, ContainerRunner>): ContainerRunner {
    const { network, hostIp, backoffFirstMs } = this.#deps;
    const host: ContainerHost = {
      plan: (spec) => this.#plan(spec),
      podIp: network.ip,
      hostIp,
      privilegedOffset: network.privilegedOffset,
      backoffFirstMs,
      graceMs: this.#graceMs,
      spawned: (pid) => this.#deps.spawned(pid),
      exited: (pid) => this.#deps.exited(pid),
      changed: () => this.#publishSoon(),
      event: (type, reason, message) => this.#deps.event(type, reason, message),
    };
    const runner = new ContainerRunner(container, rule, host);
    into.set(container.name, runner);
    return runner;
  }

  async #plan(container: Container): Promise<LaunchPlan | Builtin> {
    const { images, folder, network, sources, hostIp } = this.#deps;
    const builtin = this.#builtin(container);
    if (builtin !== undefined) return builtin;
    const image = findImage(images, container.image);
    if (this.#published.size === 0) await this.#publishVolumes();
    const addresses = { podIp: network.ip, hostIp };
    const variables = containerVariables(this.#pod, container, addresses, sources);
    const mounts = mountsOf(container, join(folder, 'volumes'));
    const own: Record<string, string> = { ...image.env };
    for (const [name, value] of Object.entries(variables)) own[name] = translatePaths(value, mounts);
    const argv = argumentVector(image, container).map((part) => translatePaths(expand(part, variables), mounts));
    const uid = container.securityContext?.runAsUser ?? this.#pod.spec.securityContext?.runAsUser;
    const exempt = this.#redirect !== undefined && uid === this.#redirect.proxyUid;
    const env = {
      PATH: process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin',
      HOME: join(folder, 'home'),
      TMPDIR: join(folder, 'home'),
      ...(await this.#kubeconfig(mounts, variables)),
      ...own,
      ...podEnvironment(this.#network(), exempt, mounts, own),
    };
    return { argv, env, cwd: container.workingDir ?? image.workingDir ?? join(folder, 'home') };
  }

  #network(): PodNetwork {
    const ports = this.#pod.spec.containers
      .flatMap((container) => container.ports ?? [])
      .filter((port) => (port.protocol ?? 'TCP') === 'TCP')
      .map((port) => port.containerPort);
    return {
      ...this.#deps.network,
      announceFolder: join(this.#deps.folder, 'ports'),
      ports,
      ...(this.#redirect === undefined ? {} : { redirect: this.#redirect }),
    };
  }

  /** Programs that only make sense with iptables are played by the node. */
  #builtin(container: Container): Builtin | undefined {
    const words = [...(container.command ?? []), ...(container.args ?? [])];
    const name = basename(words[0] ?? '');
    if (name === 'proxy-init' || name === 'linkerd2-proxy-init') {
      return () => {
        this.#redirect = parseProxyInit(words.slice(1));
        return Promise.resolve([
          `redirecting inbound to ${this.#redirect.inboundPort}, outbound to ${this.#redirect.outboundPort}`,
        ]);
      };
    }
    if (name === 'network-validator' || name === 'linkerd2-network-validator') {
      return () =>
        this.#redirect === undefined
          ? Promise.reject(new Error('traffic of this pod is not redirected: proxy-init has not run'))
          : Promise.resolve(['traffic of this pod is redirected']);
    }
    return undefined;
  }

  /** For programs that look for a kubeconfig; the same access that the mounted account gives. */
  async #kubeconfig(
    mounts: readonly (readonly [string, string])[],
    variables: Readonly<Record<string, string>>,
  ): Promise<Record<string, string>> {
    const account = mounts.find(([from]) => from === ACCOUNT_FOLDER)?.[1];
    const host = variables['KUBERNETES_SERVICE_HOST'];
    if (account === undefined || host === undefined) return {};
    const path = join(this.#deps.folder, 'kubeconfig');
    const server = `https://${host}:${variables['KUBERNETES_SERVICE_PORT'] ?? '443'}`;
    const named = { name: 'in-cluster' };
    const config = {
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ ...named, cluster: { server, 'certificate-authority': join(account, 'ca.crt') } }],
      users: [{ ...named, user: { tokenFile: join(account, 'token') } }],
      contexts: [
        { ...named, context: { cluster: 'in-cluster', user: 'in-cluster', namespace: this.#pod.metadata.namespace } },
      ],
      'current-context': 'in-cluster',
    };
    await writeFile(path, JSON.stringify(config));
    return { KUBECONFIG: path };
  }

  #publishVolumes(): Promise<void> {
    this.#volumes = this.#volumes.catch(() => undefined).then(() => this.#publishVolumesNow());
    return this.#volumes;
  }

  async #publishVolumesNow(): Promise<void> {
    const { folder, network, hostIp, sources, tokens } = this.#deps;
    const addresses = { podIp: network.ip, hostIp };
    for (const volume of this.#pod.spec.volumes ?? []) {
      const files = await volumeFiles(this.#pod, volume, addresses, sources, tokens);
      if (this.#stopping.signal.aborted) return;
      const before = this.#published.get(volume.name);
      if (files === undefined || (before !== undefined && sameFiles(before, files))) continue;
      this.#generation += 1;
      await publish(join(folder, 'volumes', volume.name), files, this.#generation);
      this.#published.set(volume.name, files);
    }
    clearTimeout(this.#renewal);
    const next = tokens.nextRenewalMs;
    if (next === undefined || this.#stopping.signal.aborted) return;
    this.#renewal = setTimeout(
      () => this.refreshVolumes(),
      Math.max(1000, Math.min(next - Date.now() + 10, 0x7fff_ffff)),
    );
    this.#renewal.unref();
  }

  #publishSoon(): void {
    if (this.#publishQueued) return;
    this.#publishQueued = true;
    setImmediate(() => {
      this.#publishQueued = false;
      this.#deps.publishStatus(this.status());
    });
  }

  status(): PodStatus {
    return podStatus(this.#pod, {
      podIp: this.#deps.network.ip,
      hostIp: this.#deps.hostIp,
      startTime: this.#startTime,
      init: this.#init,
      main: this.#main,
      initialized: this.#initialized,
      finalPhase: this.#finalPhase,
      failure: this.#failure,
    });
  }
}
