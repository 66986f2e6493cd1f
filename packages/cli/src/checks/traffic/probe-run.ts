/**
 * One run of the traffic probe: makes its objects, waits for the client to finish, reads what it found, and takes everything back, also
 * when it was interrupted.
 */
import { randomBytes } from 'node:crypto';
import { NAMESPACES, PODS, SERVICE_ACCOUNTS, SERVICES } from '@mesh/kube';
import type { KubeClient, KubeObject, ObjectRef, Pod, ResourceKind } from '@mesh/kube';
import type { ProbeTarget } from '../../probe/client.ts';
import { parseReports } from '../../probe/report.ts';
import type { ProbeReport } from '../../probe/report.ts';
import { imageRef } from '../../manifests/workload.ts';
import { isMeshed } from '../../pod-metrics.ts';
import type { CheckState } from '../state.ts';
import { whyNotReady } from '../workloads.ts';
import {
  clientName,
  clientPod,
  PROBE_LABEL,
  PROBE_LABEL_VALUE,
  probeAccounts,
  probeNamespace,
  probeService,
  serverName,
  serverPod,
} from './probe-manifests.ts';
import type { ProbePlan } from './probe-manifests.ts';

export interface ProbeOptions {
  /** Absent: one is made for the run. */
  readonly namespace: string | undefined;
  readonly withServer: boolean;
  readonly targets: readonly ProbeTarget[];
}

/** An older run is over: it was interrupted where it could not clean up. Twice what a slow run takes. */
const ORPHAN_MS = 10 * 60_000;
/** Cleaning up has its own time, since the run's signal may be what ended it. */
const CLEANUP_TIMEOUT_MS = 15_000;

export class ProbeRun implements AsyncDisposable {
  readonly #state: CheckState;
  readonly #options: ProbeOptions;
  readonly #id = randomBytes(4).toString('hex');
  /** In the order in which they were made. */
  readonly #made: { readonly kind: ResourceKind; readonly ref: ObjectRef }[] = [];
  /** In the order in which they were deleted. */
  readonly #removed: { readonly kind: ResourceKind; readonly ref: ObjectRef }[] = [];
  readonly #pods: Pod[] = [];
  #reports: readonly ProbeReport[] = [];

  constructor(state: CheckState, options: ProbeOptions) {
    this.#state = state;
    this.#options = options;
  }

  get namespace(): string {
    return this.#options.namespace ?? `mesh-check-${this.#id}`;
  }

  get clientAccount(): string {
    return clientName({ id: this.#id });
  }

  get serverAccount(): string {
    return serverName({ id: this.#id });
  }

  /** What the client found, after `finish`. */
  report(target: string): ProbeReport | undefined {
    return this.#reports.find((report) => report.target === target);
  }

  /** Deletes what old runs left, then makes this run's objects. */
  async create(signal: AbortSignal): Promise<void> {
    const client = await this.#state.client();
    await this.#deleteOrphans(client);
    const plan = await this.#plan();
    if (plan.ownNamespace) await this.#make(client, NAMESPACES, probeNamespace(plan), signal);
    for (const account of probeAccounts(plan)) await this.#make(client, SERVICE_ACCOUNTS, account, signal);
    if (plan.withServer) {
      await this.#make(client, SERVICES, probeService(plan), signal);
      this.#pods.push(await this.#make(client, PODS, serverPod(plan), signal));
    }
    this.#pods.push(await this.#make(client, PODS, clientPod(plan), signal));
  }

  /** @throws Error naming the pods that the injector left alone. */
  assertInjected(): void {
    const bare = this.#pods.filter((pod) => !isMeshed(pod)).map((pod) => `${this.namespace}/${pod.metadata.name}`);
    if (bare.length > 0)
      throw new Error(
        `pod ${bare.join(', ')} got no linkerd-proxy: the injector did not answer, or namespace ${this.namespace} is exempt from it`,
      );
  }

  /** @throws Error with what the pods wait for, while the client has not finished. */
  async finish(): Promise<void> {
    const client = await this.#state.client();
    const waiting: string[] = [];
    for (const { metadata } of this.#pods) {
      const ref = { namespace: this.namespace, name: metadata.name };
      const pod = await client.get(PODS, ref);
      const isClient = metadata.name === this.clientAccount;
      const phase = pod?.status?.phase;
      if (isClient && (phase === 'Succeeded' || phase === 'Failed')) {
        await this.#read(client, ref);
        return;
      }
      if (pod === undefined) waiting.push(`pod ${metadata.name} is gone`);
      else if (isClient || phase !== 'Running') waiting.push(`pod ${ref.namespace}/${ref.name} is ${describe(pod)}`);
    }
    throw new Error(waiting.join('\n'));
  }

  /** @throws Error with what the API server still holds. */
  async assertRemoved(): Promise<void> {
    await this[Symbol.asyncDispose]();
    const client = await this.#state.client();
    const left = [];
    for (const { kind, ref } of this.#removed)
      if ((await client.get(kind, ref)) !== undefined) left.push(`${kind.kind} ${ref.namespace ?? ''}/${ref.name}`);
    if (left.length > 0) throw new Error(`still there: ${left.join(', ')}`);
  }

  /** Deletes what was made, last things first. Idempotent. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#made.length === 0) return;
    const client = await this.#state.client();
    const signal = AbortSignal.timeout(CLEANUP_TIMEOUT_MS);
    for (let made = this.#made.at(-1); made !== undefined; made = this.#made.at(-1)) {
      await client.delete(made.kind, made.ref, { signal, propagationPolicy: 'Background' });
      this.#removed.push(made);
      this.#made.pop();
    }
  }

  async #make<T extends KubeObject>(
    client: KubeClient,
    kind: ResourceKind<T>,
    object: T,
    signal: AbortSignal,
  ): Promise<T> {
    signal.throwIfAborted();
    const { name, namespace } = object.metadata;
    // Before the call: an answer that is lost may be that of a success.
    this.#made.push({ kind, ref: namespace === undefined ? { name } : { namespace, name } });
    return client.create(kind, object, { fieldManager: 'mesh-check' });
  }

  async #plan(): Promise<ProbePlan> {
    const values = await this.#state.values();
    return {
      id: this.#id,
      namespace: this.namespace,
      ownNamespace: this.#options.namespace === undefined,
      image: imageRef({ name: values.controllerImage, version: values.controllerImageVersion }),
      imagePullPolicy: values.imagePullPolicy,
      tolerations: values.tolerations,
      withServer: this.#options.withServer,
      targets: this.#options.targets,
      clusterDomain: values.clusterDomain,
      adminPort: values.proxy.ports.admin,
    };
  }

  async #read(client: KubeClient, ref: ObjectRef): Promise<void> {
    const { status, text } = await client.raw(
      `/api/v1/namespaces/${ref.namespace ?? ''}/pods/${ref.name}/log?container=probe`,
    );
    if (status !== 200) throw new Error(`the log of pod ${ref.namespace ?? ''}/${ref.name} cannot be read: ${status}`);
    this.#reports = parseReports(text);
    if (this.#reports.length === 0)
      throw new Error(
        `pod ${ref.namespace ?? ''}/${ref.name} ended without a report: ${text.trim().slice(-500) || 'its log is empty'}`,
      );
  }

  async #deleteOrphans(client: KubeClient): Promise<void> {
    const labelSelector = `${PROBE_LABEL}=${PROBE_LABEL_VALUE}`;
    const old = (object: KubeObject): boolean =>
      Date.now() - Date.parse(object.metadata.creationTimestamp ?? '') > ORPHAN_MS;
    const { namespace } = this.#options;
    const kinds: readonly ResourceKind[] = namespace === undefined ? [NAMESPACES] : [PODS, SERVICES, SERVICE_ACCOUNTS];
    for (const kind of kinds) {
      const { items } = await client.list(kind, { namespace, labelSelector });
      for (const { metadata } of items.filter(old))
        await client.delete(kind, { name: metadata.name, ...(namespace === undefined ? {} : { namespace }) });
    }
  }
}

function describe(pod: Pod): string {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
  const stuck = statuses.find((status) => status.state?.waiting?.reason !== undefined);
  const unscheduled = pod.status?.conditions?.find((condition) => condition.reason === 'Unschedulable')?.message;
  const why = unscheduled === undefined ? (stuck === undefined ? '' : whyNotReady(stuck)) : ` (${unscheduled})`;
  return `${pod.status?.phase ?? 'not scheduled'}${why}`;
}
