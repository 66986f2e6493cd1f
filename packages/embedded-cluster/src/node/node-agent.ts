/**
 * The node: a minimal scheduler and kubelet. Runs every pod of the cluster as local processes and keeps
 * their status in the API.
 */
import { join } from 'node:path';
import type { Component, Logger } from '@mesh/runtime';
import { MeshError } from '@mesh/runtime';
import { hasReason } from '../api/status-error.ts';
import type { ClusterClient, KubeObject } from '../api/types.ts';
import type { Informer } from '../controllers/informer.ts';
import {
  type ConfigMap,
  isPodFinished,
  keyOf,
  nowTime,
  type Pod,
  type PodStatus,
  RESOURCES,
  type Secret,
  type Service,
  splitKey,
} from '../controllers/kinds.ts';
import { type AddressBlock, loopbackOf } from '../pod-net/address-block.ts';
import type { Images } from './images.ts';
import { NodeRegistration } from './node-registration.ts';
import { type PodDeps, PodWorker } from './pod-worker.ts';
import type { Reaper } from './reaper.ts';
import { PodTokens } from './service-account-tokens.ts';

export interface NodeAgentOptions {
  readonly nodeName: string;
  readonly nodeLabels: Readonly<Record<string, string>>;
  readonly clusterDomain: string;
  readonly dns: { readonly address: string; readonly port: number };
  readonly images: Images;
  readonly folder: string;
  readonly backoffFirstMs: number;
}

export interface NodeAgentDeps {
  readonly client: ClusterClient;
  readonly block: AddressBlock;
  readonly reaper: Reaper;
  readonly pods: Informer<Pod>;
  readonly services: Informer<Service>;
  readonly configMaps: Informer<ConfigMap>;
  readonly secrets: Informer<Secret>;
  /** Resolves when no new connection goes to the pod of that address, which is being deleted, or after `timeoutMs`. */
  withdrawn(podIp: string, timeoutMs: number): Promise<void>;
  readonly log: Logger;
}

/** One process of a container, for tests and fault injection. */
export interface ContainerProcess {
  readonly namespace: string;
  readonly pod: string;
  readonly container: string;
  readonly pid: number;
  readonly podIp: string;
}

export class NodeAgent implements Component {
  readonly name = 'node';
  readonly #options: NodeAgentOptions;
  readonly #registration: NodeRegistration;
  readonly #deps: NodeAgentDeps;
  readonly #workers = new Map<string, PodWorker>();
  readonly #statusWrites = new Map<string, { next: PodStatus | undefined; writing: Promise<void> }>();
  readonly #events = new Map<string, { name: string; count: number }>();
  readonly #ending = new Set<Promise<void>>();
  #eventNumber = 0;
  #stopped = false;

  constructor(options: NodeAgentOptions, deps: NodeAgentDeps) {
    this.#options = options;
    this.#deps = deps;
    this.#registration = new NodeRegistration(options, deps);
  }

  async start(): Promise<void> {
    await this.#registration.start();
    this.#deps.pods.onChange((pod, before) => this.#onPod(pod, before));
    this.#deps.configMaps.onChange((_object, _before, key) => this.#onVolumeSource('configMap', key));
    this.#deps.secrets.onChange((_object, _before, key) => this.#onVolumeSource('secret', key));
  }

  /** Kills all pods; their objects stay as they are. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    this.#registration.stop();
    await Promise.all([...this.#workers.values()].map((worker) => worker.terminate(0)));
    await Promise.allSettled(this.#ending);
    await Promise.allSettled([...this.#statusWrites.values()].map((each) => each.writing));
  }

  /** Every running process. */
  processes(): ContainerProcess[] {
    const all: ContainerProcess[] = [];
    for (const worker of this.#workers.values()) {
      const { namespace = '', name } = worker.pod.metadata;
      for (const runner of worker.runners()) {
        if (runner.pid === undefined) continue;
        all.push({ namespace, pod: name, container: runner.spec.name, pid: runner.pid, podIp: worker.podIp });
      }
    }
    return all;
  }

  worker(namespace: string, pod: string): PodWorker | undefined {
    return [...this.#workers.values()].find(
      (each) => each.pod.metadata.namespace === namespace && each.pod.metadata.name === pod,
    );
  }

  /** @throws MeshError `no_such_container` | `not_running` */
  killContainer(namespace: string, pod: string, container: string, signal: NodeJS.Signals): void {
    const runner = this.worker(namespace, pod)?.runner(container);
    const name = `${namespace}/${pod}/${container}`;
    if (runner === undefined) {
      throw new MeshError({ code: 'no_such_container', name }, `container ${name} does not exist on this node`);
    }
    if (!runner.signal(signal)) throw new MeshError({ code: 'not_running', name }, `container ${name} is not running`);
  }

  #onPod(pod: Pod | undefined, before: Pod | undefined): void {
    if (this.#stopped) return;
    if (pod === undefined || (before !== undefined && before.metadata.uid !== pod.metadata.uid)) {
      const worker = this.#workers.get(before?.metadata.uid ?? '');
      if (worker !== undefined) this.#track(this.#remove(worker, 0));
    }
    if (pod === undefined) return;
    const worker = this.#workers.get(pod.metadata.uid ?? '');
    if (worker !== undefined) worker.update(pod);
    if (pod.metadata.deletionTimestamp !== undefined) {
      this.#track(this.#end(pod, worker));
      return;
    }
    if (worker !== undefined || isPodFinished(pod)) return;
    if (!pod.spec.nodeName) this.#track(this.#schedule(pod));
    else if (pod.spec.nodeName === this.#options.nodeName) this.#begin(pod);
  }

  #begin(pod: Pod): void {
    const uid = pod.metadata.uid ?? '';
    const worker = new PodWorker(pod, this.#podDeps(pod));
    this.#workers.set(uid, worker);
    worker.start();
  }

  #podDeps(pod: Pod): PodDeps {
    const { block, client, reaper, services, configMaps, secrets, log } = this.#deps;
    const { clusterDomain: domain, dns, folder, images, backoffFirstMs } = this.#options;
    const namespace = pod.metadata.namespace ?? 'default';
    const ip = block.pods.allocate();
    const key = keyOf(pod);
    return {
      images,
      withdrawn: (timeoutMs) => this.#deps.withdrawn(ip, timeoutMs),
      sources: {
        configMap: (at, name) => configMaps.get(`${at}/${name}`),
        secret: (at, name) => secrets.get(`${at}/${name}`),
        services: () => services.values(),
      },
      tokens: new PodTokens(client, pod),
      network: {
        hostname: pod.spec.hostname ?? pod.metadata.name,
        ip,
        loopback: loopbackOf(ip),
        dns,
        searches: [`${namespace}.svc.${domain}`, `svc.${domain}`, domain],
        ndots: 5,
        privilegedOffset: block.privilegedOffset,
      },
      hostIp: block.nodeIp,
      folder: join(folder, 'pods', pod.metadata.uid ?? ''),
      backoffFirstMs,
      log: log.child({ namespace, pod: pod.metadata.name }),
      publishStatus: (status) => this.#writeStatus(key, pod.metadata.uid ?? '', status),
      spawned: (pid) => reaper.add(pid),
      exited: (pid) => reaper.remove(pid),
      event: (type, reason, message) => this.#event(pod, type, reason, message),
    };
  }

  async #end(pod: Pod, worker: PodWorker | undefined): Promise<void> {
    const graceSeconds = pod.metadata.deletionGracePeriodSeconds ?? 30;
    if (worker === undefined && pod.spec.nodeName && pod.spec.nodeName !== this.#options.nodeName) return;
    if (worker !== undefined) {
      this.#event(pod, 'Normal', 'Killing', 'Stopping containers');
      await worker.terminate(graceSeconds * 1000);
    }
    if (this.#stopped) return;
    const preconditions = pod.metadata.uid === undefined ? undefined : { uid: pod.metadata.uid };
    await ignoreGone(
      this.#deps.client.delete(RESOURCES.pods, pod.metadata.namespace, pod.metadata.name, {
        gracePeriodSeconds: 0,
        preconditions,
      }),
    );
  }

  async #remove(worker: PodWorker, graceMs: number): Promise<void> {
    const uid = worker.pod.metadata.uid ?? '';
    this.#workers.delete(uid);
    await worker.terminate(graceMs);
    this.#deps.block.pods.release(worker.podIp);
    for (const key of this.#events.keys()) if (key.startsWith(`${uid}/`)) this.#events.delete(key);
  }

  async #schedule(pod: Pod): Promise<void> {
    const { schedulerName = 'default-scheduler' } = pod.spec as { readonly schedulerName?: string };
    // Pods of another scheduler wait for it.
    if (schedulerName !== 'default-scheduler') return;
    const { nodeName } = this.#options;
    const nodeLabels = this.#registration.labels;
    const { namespace, name } = pod.metadata;
    const unmet = Object.entries(pod.spec.nodeSelector ?? {}).find(([key, value]) => nodeLabels[key] !== value);
    if (unmet !== undefined) {
      const message = "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.";
      const condition = {
        type: 'PodScheduled',
        status: 'False',
        reason: 'Unschedulable',
        message,
        lastTransitionTime: nowTime(),
      };
      await ignoreGone(this.#patchStatus(namespace, name, { phase: 'Pending', conditions: [condition] }));
      return;
    }
    const binding = {
      apiVersion: 'v1',
      kind: 'Binding',
      metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
      target: { apiVersion: 'v1', kind: 'Node', name: nodeName },
    };
    await ignoreGone(this.#deps.client.create(RESOURCES.pods, binding, { subresource: 'binding' }));
    this.#event(pod, 'Normal', 'Scheduled', `Successfully assigned ${keyOf(pod)} to ${nodeName}`);
  }

  /** One write at a time per pod; only the newest status waits. */
  #writeStatus(key: string, uid: string, status: PodStatus): void {
    if (this.#stopped) return;
    const entry = this.#statusWrites.get(key);
    if (entry !== undefined) {
      entry.next = status;
      return;
    }
    const created = { next: status as PodStatus | undefined, writing: Promise.resolve() };
    this.#statusWrites.set(key, created);
    created.writing = this.#drainStatus(key, uid, created);
  }

  async #drainStatus(key: string, uid: string, entry: { next: PodStatus | undefined }): Promise<void> {
    const { namespace, name } = splitKey(key);
    while (entry.next !== undefined) {
      const status = entry.next;
      entry.next = undefined;
      if (this.#deps.pods.get(key)?.metadata.uid !== uid) break;
      try {
        this.#deps.pods.observe(await this.#patchStatus(namespace, name, status));
      } catch (error) {
        if (hasReason(error, 'NotFound') || this.#stopped) break;
        this.#deps.log.warn('pod status not written', { pod: key, error });
        await new Promise((resolve) => setTimeout(resolve, 100));
        entry.next ??= status;
      }
    }
    this.#statusWrites.delete(key);
  }

  #patchStatus(namespace: string | undefined, name: string, status: PodStatus): Promise<KubeObject> {
    return this.#deps.client.patch(RESOURCES.pods, namespace, name, {
      type: 'merge',
      body: { status },
      subresource: 'status',
    });
  }

  #onVolumeSource(kind: 'configMap' | 'secret', key: string): void {
    const { namespace, name } = splitKey(key);
    for (const worker of this.#workers.values()) {
      if (worker.pod.metadata.namespace !== namespace) continue;
      if (worker.uses(kind, name)) worker.refreshVolumes();
      for (const runner of worker.runners()) runner.retry();
    }
  }

  /** Events with the same text are one Event with a count. */
  #event(pod: Pod, type: 'Normal' | 'Warning', reason: string, message: string): void {
    if (this.#stopped) return;
    const { client } = this.#deps;
    const namespace = pod.metadata.namespace ?? 'default';
    const key = `${pod.metadata.uid}/${reason}/${message}`;
    const known = this.#events.get(key);
    if (known !== undefined) {
      known.count += 1;
      const body = { count: known.count, lastTimestamp: nowTime() };
      this.#track(ignoreGone(client.patch(RESOURCES.events, namespace, known.name, { type: 'merge', body })));
      return;
    }
    this.#eventNumber += 1;
    const name = `${pod.metadata.name}.${Date.now().toString(16)}${this.#eventNumber.toString(16).padStart(6, '0')}`;
    this.#events.set(key, { name, count: 1 });
    const now = nowTime();
    const involved = { apiVersion: 'v1', kind: 'Pod', namespace, name: pod.metadata.name, uid: pod.metadata.uid };
    const event = {
      apiVersion: 'v1',
      kind: 'Event',
      metadata: { name, namespace },
      involvedObject: involved,
      reason,
      message,
      type,
      count: 1,
      firstTimestamp: now,
      lastTimestamp: now,
      source: { component: 'kubelet', host: this.#options.nodeName },
      reportingComponent: 'kubelet',
      reportingInstance: this.#options.nodeName,
    };
    this.#track(ignoreGone(client.create(RESOURCES.events, event)));
  }

  #track(work: Promise<unknown>): void {
    const tracked: Promise<void> = work.then(
      () => undefined,
      (error: unknown) => {
        if (!this.#stopped) this.#deps.log.warn('node could not write', { error });
      },
    );
    this.#ending.add(tracked);
    void tracked.then(() => this.#ending.delete(tracked));
  }
}

/** For writes about objects that may have been deleted meanwhile, or whose namespace is going away. */
async function ignoreGone(work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!hasReason(error, 'NotFound') && !hasReason(error, 'Conflict') && !hasReason(error, 'Forbidden')) throw error;
  }
}
