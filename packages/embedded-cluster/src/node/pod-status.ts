/** A pod's phase and conditions from its containers, by the kubelet's rules. */
import {
  type Condition,
  type Container,
  findCondition,
  nowTime,
  type Pod,
  type PodStatus,
} from '../controllers/kinds.ts';
import type { ContainerRunner } from './container.ts';

export interface PodSnapshot {
  readonly podIp: string | undefined;
  readonly hostIp: string;
  readonly startTime: string;
  readonly init: ReadonlyMap<string, ContainerRunner>;
  readonly main: ReadonlyMap<string, ContainerRunner>;
  readonly initialized: boolean;
  /** Decided for good: `Succeeded` or `Failed`. */
  readonly finalPhase: 'Succeeded' | 'Failed' | undefined;
  readonly failure: { readonly reason: string; readonly message: string } | undefined;
}

export function podStatus(pod: Pod, snapshot: PodSnapshot): PodStatus {
  const { podIp, hostIp, finalPhase, failure } = snapshot;
  const mains = pod.spec.containers.map((container) => snapshot.main.get(container.name));
  const sidecars = (pod.spec.initContainers ?? []).filter(isSidecar).map((each) => snapshot.init.get(each.name));
  const unready = [...pod.spec.containers, ...(pod.spec.initContainers ?? []).filter(isSidecar)]
    .filter((each) => !(snapshot.main.get(each.name) ?? snapshot.init.get(each.name))?.ready)
    .map((each) => each.name);
  const phase =
    finalPhase ??
    (snapshot.initialized && mains.some((each) => each !== undefined && hasRun(each)) ? 'Running' : 'Pending');
  const ready = unready.length === 0 && [...mains, ...sidecars].every((each) => each?.ready === true);
  return {
    phase,
    ...failure,
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp === undefined ? {} : { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime: snapshot.startTime,
    qosClass: qosClass(pod),
    conditions: conditions(pod, { ready, unready, phase, snapshot }),
    ...(pod.spec.initContainers === undefined
      ? {}
      : {
          initContainerStatuses: pod.spec.initContainers.map((each) =>
            statusOf(each, snapshot.init, 'PodInitializing'),
          ),
        }),
    containerStatuses: pod.spec.containers.map((each) =>
      statusOf(each, snapshot.main, pod.spec.initContainers === undefined ? 'ContainerCreating' : 'PodInitializing'),
    ),
  };
}

export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always';
}

function hasRun(runner: ContainerRunner): boolean {
  return runner.state.running !== undefined || runner.state.terminated !== undefined || runner.restarts > 0;
}

function statusOf(
  container: Container,
  runners: ReadonlyMap<string, ContainerRunner>,
  reason: string,
): NonNullable<PodStatus['containerStatuses']>[number] {
  const runner = runners.get(container.name);
  if (runner !== undefined) {
    const status = runner.status();
    // A run-to-completion init container is "ready" once it has completed.
    const completed = status.state.terminated?.exitCode === 0 && container.restartPolicy === undefined;
    return completed && reason === 'PodInitializing' ? { ...status, ready: true } : status;
  }
  return {
    name: container.name,
    image: container.image,
    imageID: '',
    ready: false,
    started: false,
    restartCount: 0,
    state: { waiting: { reason } },
    lastState: {},
  };
}

function conditions(
  pod: Pod,
  facts: { ready: boolean; unready: readonly string[]; phase: string; snapshot: PodSnapshot },
): Condition[] {
  const { ready, unready, phase, snapshot } = facts;
  const before = pod.status?.conditions;
  const gates = (pod.spec.readinessGates ?? []).filter(
    (gate) => findCondition(before, gate.conditionType)?.status !== 'True',
  );
  const containersReady =
    phase === 'Succeeded' ? { status: 'False', reason: 'PodCompleted' } : readiness(ready, unready);
  const podReady =
    containersReady.status === 'True' && gates.length > 0
      ? {
          status: 'False',
          reason: 'ReadinessGatesNotReady',
          message: gates
            .map((gate) => `corresponding condition of pod readiness gate "${gate.conditionType}" does not exist.`)
            .join(', '),
        }
      : containersReady;
  const initialized = snapshot.initialized
    ? { status: 'True', ...(phase === 'Succeeded' ? { reason: 'PodCompleted' } : {}) }
    : { status: 'False', reason: 'ContainersNotInitialized', message: incompleteInit(pod, snapshot) };
  const own: Omit<Condition, 'lastTransitionTime'>[] = [
    {
      type: 'PodReadyToStartContainers',
      status: snapshot.podIp === undefined || phase === 'Succeeded' || phase === 'Failed' ? 'False' : 'True',
    },
    { type: 'Initialized', ...initialized },
    { type: 'Ready', ...podReady },
    { type: 'ContainersReady', ...containersReady },
    { type: 'PodScheduled', status: 'True' },
  ];
  const others = (before ?? []).filter((condition) => !own.some((each) => each.type === condition.type));
  return [...own.map((condition) => stamped(condition, findCondition(before, condition.type))), ...others];
}

function readiness(ready: boolean, unready: readonly string[]): { status: string; reason?: string; message?: string } {
  if (ready) return { status: 'True' };
  return {
    status: 'False',
    reason: 'ContainersNotReady',
    message: `containers with unready status: [${unready.join(' ')}]`,
  };
}

function incompleteInit(pod: Pod, snapshot: PodSnapshot): string {
  const names = (pod.spec.initContainers ?? [])
    .filter((each) => {
      const runner = snapshot.init.get(each.name);
      return isSidecar(each) ? runner?.started !== true : runner?.state.terminated?.exitCode !== 0;
    })
    .map((each) => each.name);
  return `containers with incomplete status: [${names.join(' ')}]`;
}

function stamped(condition: Omit<Condition, 'lastTransitionTime'>, before: Condition | undefined): Condition {
  const same = before?.status === condition.status;
  return {
    ...condition,
    lastProbeTime: null,
    lastTransitionTime: (same ? before.lastTransitionTime : undefined) ?? nowTime(),
  };
}

function qosClass(pod: Pod): string {
  const all = [...pod.spec.containers, ...(pod.spec.initContainers ?? [])];
  const any = all.some((each) => Object.keys({ ...each.resources?.requests, ...each.resources?.limits }).length > 0);
  if (!any) return 'BestEffort';
  const guaranteed = all.every(({ resources }) => {
    const limits = resources?.limits ?? {};
    const requests = { ...limits, ...resources?.requests };
    return ['cpu', 'memory'].every((name) => limits[name] !== undefined && limits[name] === requests[name]);
  });
  return guaranteed ? 'Guaranteed' : 'Burstable';
}
