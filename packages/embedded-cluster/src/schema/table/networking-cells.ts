/** Rows of Services, Endpoints, EndpointSlices and Ingresses. */
import { isObject, listAt, objectAt, type JsonObject } from '../json.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { type Cell, NONE, name, age, count, text, mapText, firstOf } from './cells.ts';

export function serviceCells(service: JsonObject, now: number): Cell[] {
  const spec = objectAt(service, 'spec');
  const ports = objectsAt(spec, 'ports').map(
    (port) =>
      `${text(port['port'], '')}${Number(port['nodePort'] ?? 0) > 0 ? `:${text(port['nodePort'], '')}` : ''}/${text(port['protocol'], 'TCP')}`,
  );
  return [
    name(service),
    text(spec['type'], ''),
    text(spec['clusterIP'], NONE),
    externalText(service, spec),
    ports.length === 0 ? NONE : ports.join(','),
    age(service, now),
    mapText(objectAt(spec, 'selector')),
  ];
}

function externalText(service: JsonObject, spec: JsonObject): string {
  const external = listAt(spec, 'externalIPs').map(String);
  if (spec['type'] === 'ExternalName') return text(spec['externalName'], NONE);
  if (spec['type'] !== 'LoadBalancer') return external.length === 0 ? NONE : external.join(',');
  const ingress = objectsAt(service, 'status', 'loadBalancer', 'ingress').map((entry) =>
    text(entry['ip'], text(entry['hostname'], '')),
  );
  const all = [...new Set([...ingress.filter((address) => address !== ''), ...external])];
  return all.length === 0 ? '<pending>' : all.join(',');
}

const ENDPOINTS_SHOWN = 3;

export function endpointsText(endpoints: JsonObject): string {
  const items: string[] = [];
  for (const subset of objectsAt(endpoints, 'subsets')) {
    const ports = objectsAt(subset, 'ports');
    const addresses = objectsAt(subset, 'addresses').map((address) => text(address['ip'], ''));
    if (ports.length === 0) items.push(...addresses);
    for (const port of ports)
      items.push(
        ...addresses.map(
          (address) => (address.includes(':') ? `[${address}]` : address) + `:${text(port['port'], '')}`,
        ),
      );
  }
  return items.length === 0 ? NONE : firstOf(items, ENDPOINTS_SHOWN);
}

export function ingressCells(ingress: JsonObject, now: number): Cell[] {
  const spec = objectAt(ingress, 'spec');
  const hosts = objectsAt(spec, 'rules')
    .map((rule) => text(rule['host'], ''))
    .filter((host) => host !== '');
  const addresses = objectsAt(ingress, 'status', 'loadBalancer', 'ingress').map((entry) =>
    text(entry['ip'], text(entry['hostname'], '')),
  );
  return [
    name(ingress),
    text(spec['ingressClassName'], NONE),
    hosts.length === 0 ? '*' : firstOf(hosts, 3),
    addresses.join(','),
    count(spec['tls']) > 0 ? '80, 443' : '80',
    age(ingress, now),
  ];
}

export function parametersText(parameters: unknown): string {
  if (!isObject(parameters)) return NONE;
  const group = text(parameters['apiGroup'], '');
  return `${text(parameters['kind'], '')}${group === '' ? '' : `.${group}`}/${text(parameters['name'], '')}`;
}

export function endpointSliceCells(slice: JsonObject, now: number): Cell[] {
  const ports = objectsAt(slice, 'ports').map((port) => text(port['port'], '*'));
  const addresses = objectsAt(slice, 'endpoints').flatMap((endpoint) => listAt(endpoint, 'addresses').map(String));
  return [
    name(slice),
    text(slice['addressType'], ''),
    ports.length === 0 ? '<unset>' : firstOf(ports, 3),
    addresses.length === 0 ? '<unset>' : firstOf(addresses, 3),
    age(slice, now),
  ];
}
