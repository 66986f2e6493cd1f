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

/** Like `normalise`, with the field ownership kept: only its times are replaced. */
export function normaliseApplied(answer: JsonObject): JsonObject {
  const managed = isObject(answer['metadata']) ? answer['metadata']['managedFields'] : undefined;
  const copy = normalise(answer);
  if (copy['code'] === 409) sortCauses(copy);
  if (Array.isArray(managed) && isObject(copy['metadata'])) {
    copy['metadata']['managedFields'] = cloneJson(managed).map((entry: unknown) =>
      isObject(entry) && entry['time'] !== undefined ? { ...entry, time: 'TIME' } : entry,
    );
  }
  return copy;
}

/** The API server lists conflicts with several managers in no order. */
function sortCauses({ details }: JsonObject): void {
  if (isObject(details) && Array.isArray(details['causes']))
    details['causes'].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
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

/** The API server walks maps in no order: failures are compared as a set. */
export function unordered(answer: JsonObject): JsonObject {
  const copy = normalise(answer);
  const { details } = copy;
  if (isObject(details) && Array.isArray(details['causes'])) {
    const causes = details['causes'] as { field: string; message: string }[];
    causes.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
    if (causes.length > 1)
      copy['message'] =
        `${String(copy['message']).split(' is invalid: ')[0]} is invalid: ${causes.map((cause) => `${cause.field}: ${cause.message}`).join(', ')}`;
  }
  if (typeof copy['message'] === 'string' && copy['message'].includes('strict decoding error: ')) {
    const [head = '', tail = ''] = copy['message'].split('strict decoding error: ');
    copy['message'] = `${head}strict decoding error: ${tail.split(', ').sort().join(', ')}`;
  }
  if (typeof copy['message'] === 'string' && copy['message'].includes('errors:\n')) {
    const [head = '', ...lines] = copy['message'].split('\n');
    copy['message'] = [head, ...lines.sort()].join('\n');
  }
  return copy;
}
