/** The downward API: a pod's own fields and resources, for variables and files. */
import { parseQuantity } from '../schema/quantity.ts';
import { availableParallelism, totalmem } from 'node:os';
import { MeshError } from '@mesh/runtime';
import type { Container, Pod } from '../controllers/kinds.ts';

export interface PodAddresses {
  readonly podIp: string;
  readonly hostIp: string;
}

/** @throws MeshError `unsupported_field` */
export function fieldValue(pod: Pod, path: string, { podIp, hostIp }: PodAddresses): string {
  const keyed = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path);
  if (keyed !== null) {
    const map = keyed[1] === 'labels' ? pod.metadata.labels : pod.metadata.annotations;
    return map?.[keyed[2] ?? ''] ?? '';
  }
  switch (path) {
    case 'metadata.name':
      return pod.metadata.name;
    case 'metadata.namespace':
      return pod.metadata.namespace ?? '';
    case 'metadata.uid':
      return pod.metadata.uid ?? '';
    case 'metadata.labels':
      return mapLines(pod.metadata.labels);
    case 'metadata.annotations':
      return mapLines(pod.metadata.annotations);
    case 'spec.nodeName':
      return pod.spec.nodeName ?? '';
    case 'spec.serviceAccountName':
      return pod.spec.serviceAccountName ?? 'default';
    case 'status.podIP':
    case 'status.podIPs':
      return podIp;
    case 'status.hostIP':
    case 'status.hostIPs':
      return hostIp;
    default: {
      const message = `fieldPath ${JSON.stringify(path)} is not supported: use a field of metadata, spec.nodeName, spec.serviceAccountName or status.podIP`;
      throw new MeshError({ code: 'unsupported_field', path }, message);
    }
  }
}

/** As the kubelet writes maps into files: a line per key, values quoted. */
function mapLines(map: Readonly<Record<string, string>> | undefined): string {
  const entries = Object.entries(map ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.map(([key, value]) => `${key}=${JSON.stringify(value)}`).join('\n');
}

/** @param resource such as `limits.cpu`; a missing limit is the node's */
export function resourceValue(container: Container, resource: string, divisor: string | undefined): string {
  const [group, ...rest] = resource.split('.');
  const name = rest.join('.');
  const { limits, requests } = container.resources ?? {};
  const given = group === 'limits' ? limits?.[name] : (requests?.[name] ?? limits?.[name]);
  const value = given === undefined ? nodeCapacity(group, name) : numberOf(given);
  const unit = divisor === undefined || divisor === '0' ? 1 : numberOf(divisor);
  return String(Math.ceil(value / unit));
}

function nodeCapacity(group: string | undefined, name: string): number {
  if (group !== 'limits') return 0;
  if (name === 'cpu') return availableParallelism();
  return name === 'memory' ? totalmem() : 0;
}

/** 0 when it is none: the API has refused those. */
function numberOf(text: string): number {
  return Number(parseQuantity(text)?.nanos ?? 0n) / 1e9;
}
