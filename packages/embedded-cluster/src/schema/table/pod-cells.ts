/** A pod's row: what its containers' states come down to in one word. */
import { isObject, numberAt, objectAt, stringAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { ageOf, humanDuration, parseTime } from '../times.ts';

interface Summary {
  reason: string;
  ready: number;
  restarts: number;
  lastRestart: number | undefined;
}

/** NAME READY STATUS RESTARTS AGE IP NODE NOMINATED-NODE READINESS-GATES. */
export function podCells(pod: JsonObject, nowMs: number): (string | number)[] {
  const status = objectAt(pod, 'status');
  const spec = objectAt(pod, 'spec');
  const sidecars = new Set(
    objectsAt(spec, 'initContainers')
      .filter((container) => container['restartPolicy'] === 'Always')
      .map((container) => stringAt(container, 'name') ?? ''),
  );
  const total = objectsAt(spec, 'containers').length + sidecars.size;
  const { reason, ready, restarts, lastRestart } = summarise(pod, status, sidecars);
  const restartText =
    restarts > 0 && lastRestart !== undefined
      ? `${restarts} (${humanDuration(nowMs - lastRestart)} ago)`
      : String(restarts);
  return [
    stringAt(pod, 'metadata', 'name') ?? '',
    `${ready}/${total}`,
    reason,
    restartText,
    ageOf(stringAt(pod, 'metadata', 'creationTimestamp'), nowMs),
    stringAt(status, 'podIP') ?? '<none>',
    stringAt(spec, 'nodeName') ?? '<none>',
    stringAt(status, 'nominatedNodeName') ?? '<none>',
    readinessGates(spec, status),
  ];
}

function summarise(pod: JsonObject, status: JsonObject, sidecars: ReadonlySet<string>): Summary {
  const summary: Summary = {
    reason: stringAt(status, 'reason') ?? stringAt(status, 'phase') ?? '',
    ready: 0,
    restarts: 0,
    lastRestart: undefined,
  };
  const isGated = objectsAt(status, 'conditions').some(
    (condition) => condition['type'] === 'PodScheduled' && condition['reason'] === 'SchedulingGated',
  );
  if (isGated) summary.reason = 'SchedulingGated';
  const isInitializing = summariseInit(pod, status, sidecars, summary);
  const hasInitialized = objectsAt(status, 'conditions').some(
    (condition) => condition['type'] === 'Initialized' && condition['status'] === 'True',
  );
  if (!isInitializing || hasInitialized) summariseMain(status, summary, sidecars, isInitializing);
  if (stringAt(pod, 'metadata', 'deletionTimestamp') !== undefined) {
    if (status['reason'] === 'NodeLost') summary.reason = 'Unknown';
    else if (status['phase'] !== 'Succeeded' && status['phase'] !== 'Failed') summary.reason = 'Terminating';
  }
  return summary;
}

/** The first init container that is not through; gives whether there is one. */
function summariseInit(pod: JsonObject, status: JsonObject, sidecars: ReadonlySet<string>, summary: Summary): boolean {
  const total = objectsAt(pod, 'spec', 'initContainers').length;
  for (const [index, container] of objectsAt(status, 'initContainerStatuses').entries()) {
    summary.restarts += numberAt(container, 'restartCount') ?? 0;
    noteRestart(container, summary);
    const isSidecar = sidecars.has(stringAt(container, 'name') ?? '');
    const terminated = objectAt(container, 'state')['terminated'];
    if (isObject(terminated) && terminated['exitCode'] === 0) continue;
    if (isSidecar && container['started'] === true) {
      if (container['ready'] === true) summary.ready += 1;
      continue;
    }
    if (isObject(terminated)) summary.reason = `Init:${terminatedReason(terminated)}`;
    else {
      const waiting = stringAt(container, 'state', 'waiting', 'reason');
      summary.reason =
        waiting !== undefined && waiting !== 'PodInitializing' ? `Init:${waiting}` : `Init:${index}/${total}`;
    }
    return true;
  }
  return false;
}

function summariseMain(
  status: JsonObject,
  summary: Summary,
  sidecars: ReadonlySet<string>,
  isInitializing: boolean,
): void {
  if (!isInitializing) {
    // Restarts of init containers are forgotten once they are through, but for sidecars.
    summary.restarts = 0;
    summary.lastRestart = undefined;
    for (const container of objectsAt(status, 'initContainerStatuses')) {
      if (!sidecars.has(stringAt(container, 'name') ?? '')) continue;
      summary.restarts += numberAt(container, 'restartCount') ?? 0;
      noteRestart(container, summary);
    }
  }
  let hasRunning = false;
  for (const container of objectsAt(status, 'containerStatuses').reverse()) {
    summary.restarts += numberAt(container, 'restartCount') ?? 0;
    noteRestart(container, summary);
    const waiting = stringAt(container, 'state', 'waiting', 'reason');
    const terminated = objectAt(container, 'state')['terminated'];
    if (waiting !== undefined) summary.reason = waiting;
    else if (isObject(terminated)) summary.reason = terminatedReason(terminated);
    else if (container['ready'] === true && isObject(objectAt(container, 'state')['running'])) {
      hasRunning = true;
      summary.ready += 1;
    }
  }
  if (summary.reason === 'Completed' && hasRunning) {
    const isReady = objectsAt(status, 'conditions').some(
      (condition) => condition['type'] === 'Ready' && condition['status'] === 'True',
    );
    summary.reason = isReady ? 'Running' : 'NotReady';
  }
}

function terminatedReason(terminated: JsonObject): string {
  const reason = stringAt(terminated, 'reason');
  if (reason !== undefined && reason !== '') return reason;
  const signal = numberAt(terminated, 'signal') ?? 0;
  return signal === 0 ? `ExitCode:${numberAt(terminated, 'exitCode') ?? 0}` : `Signal:${signal}`;
}

function noteRestart(container: JsonObject, summary: Summary): void {
  const finished = stringAt(container, 'lastState', 'terminated', 'finishedAt');
  const ms = finished === undefined ? undefined : parseTime(finished);
  if (ms !== undefined && (summary.lastRestart === undefined || ms > summary.lastRestart)) summary.lastRestart = ms;
}

function readinessGates(spec: JsonObject, status: JsonObject): string {
  const gates = objectsAt(spec, 'readinessGates');
  if (gates.length === 0) return '<none>';
  const conditions = objectsAt(status, 'conditions');
  const ready = gates.filter((gate) =>
    conditions.some((condition) => condition['type'] === gate['conditionType'] && condition['status'] === 'True'),
  ).length;
  return `${ready}/${gates.length}`;
}
