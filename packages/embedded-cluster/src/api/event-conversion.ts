/** Events are served by two groups with different field names; they are stored in the core form. */
import type { KubeObject } from './types.ts';

/** `[core v1 name, events.k8s.io/v1 name]` of what differs. */
const RENAMED = [
  ['involvedObject', 'regarding'],
  ['message', 'note'],
  ['source', 'deprecatedSource'],
  ['firstTimestamp', 'deprecatedFirstTimestamp'],
  ['lastTimestamp', 'deprecatedLastTimestamp'],
  ['count', 'deprecatedCount'],
  ['reportingComponent', 'reportingController'],
] as const;

export function eventToEventsV1(stored: KubeObject): KubeObject {
  const result: KubeObject = { ...stored, apiVersion: 'events.k8s.io/v1' };
  for (const [core, events] of RENAMED) move(result, core, events);
  for (const field of ['reportingController', 'reportingInstance']) if (result[field] === '') delete result[field];
  return result;
}

export function eventFromEventsV1(given: KubeObject): KubeObject {
  const result: KubeObject = { ...given, apiVersion: 'v1' };
  for (const [core, events] of RENAMED) move(result, events, core);
  return result;
}

function move(object: KubeObject, from: string, to: string): void {
  if (object[from] === undefined) return;
  object[to] = object[from];
  delete object[from];
}
