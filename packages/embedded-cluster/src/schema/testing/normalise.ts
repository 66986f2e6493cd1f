/** Makes two servers' answers comparable: what differs between runs is taken out or replaced. */
import { cloneJson, isObject, type JsonObject } from '../json.ts';

const CHANGING = ['uid', 'resourceVersion', 'creationTimestamp', 'managedFields', 'generation', 'selfLink'];

/** A copy without identity, times and allocated addresses; the causes of a failure each once. */
export function normalise(answer: JsonObject): JsonObject {
  const copy = cloneJson(answer);
  const { metadata, spec, details } = copy;
  if (copy['kind'] === 'Status') {
    if (isObject(details) && Array.isArray(details['causes'])) details['causes'] = uniqueCauses(details['causes']);
    return copy;
  }
  if (isObject(metadata)) for (const key of CHANGING) delete metadata[key];
  if (copy['kind'] === 'Service' && isObject(spec)) maskAddresses(spec);
  return JSON.parse(
    JSON.stringify(copy, (key, value: unknown) =>
      key === 'batch.kubernetes.io/controller-uid' || key === 'controller-uid' ? 'UID' : value,
    ),
  ) as JsonObject;
}

function uniqueCauses(causes: readonly unknown[]): unknown[] {
  const seen = new Map(causes.map((cause) => [JSON.stringify(cause), cause]));
  return [...seen.values()];
}

function maskAddresses(spec: JsonObject): void {
  delete spec['healthCheckNodePort'];
  if (typeof spec['clusterIP'] === 'string' && spec['clusterIP'] !== 'None') {
    delete spec['clusterIP'];
    delete spec['clusterIPs'];
  }
  const { ports } = spec;
  if (Array.isArray(ports)) for (const port of ports) if (isObject(port)) delete port['nodePort'];
}
