/** The variables of a container: Services, `envFrom`, `env`, in the kubelet's order and with its expansion. */
import { MeshError } from '@mesh/runtime';
import type { ConfigMap, Container, Pod, Secret, Service } from '../controllers/kinds.ts';
import { fieldValue, type PodAddresses, resourceValue } from './downward.ts';
import { expand } from './expansion.ts';

/** What the node reads of the cluster, from its caches. */
export interface PodSources {
  configMap(namespace: string, name: string): ConfigMap | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  services(): Iterable<Service>;
}

/** @throws MeshError `missing_reference` | `unsupported_field`, which the container status shows */
export function containerVariables(
  pod: Pod,
  container: Container,
  addresses: PodAddresses,
  sources: PodSources,
): Record<string, string> {
  const namespace = pod.metadata.namespace ?? 'default';
  const variables: Record<string, string> = serviceVariables(pod, namespace, sources.services());
  for (const { prefix = '', configMapRef, secretRef } of container.envFrom ?? []) {
    const data =
      configMapRef === undefined
        ? secretData(sources, namespace, secretRef?.name ?? '', secretRef?.optional)
        : configData(sources, namespace, configMapRef.name, configMapRef.optional);
    for (const [key, value] of Object.entries(data ?? {})) variables[prefix + key] = value;
  }
  for (const variable of container.env ?? []) {
    const value = valueOf(pod, container, variable, addresses, sources, variables);
    if (value !== undefined) variables[variable.name] = value;
  }
  return variables;
}

function valueOf(
  pod: Pod,
  container: Container,
  variable: NonNullable<Container['env']>[number],
  addresses: PodAddresses,
  sources: PodSources,
  before: Readonly<Record<string, string>>,
): string | undefined {
  const namespace = pod.metadata.namespace ?? 'default';
  const from = variable.valueFrom;
  if (from === undefined) return expand(variable.value ?? '', before);
  if (from.fieldRef !== undefined) return fieldValue(pod, from.fieldRef.fieldPath, addresses);
  if (from.resourceFieldRef !== undefined) {
    const { containerName, resource, divisor } = from.resourceFieldRef;
    const all = [...(pod.spec.initContainers ?? []), ...pod.spec.containers];
    const target = all.find((each) => each.name === containerName) ?? container;
    return resourceValue(target, resource, divisor);
  }
  if (from.configMapKeyRef !== undefined) {
    const { name, key, optional } = from.configMapKeyRef;
    return required(
      configData(sources, namespace, name, optional)?.[key],
      'configmap',
      `${namespace}/${name}`,
      key,
      optional,
    );
  }
  if (from.secretKeyRef !== undefined) {
    const { name, key, optional } = from.secretKeyRef;
    return required(
      secretData(sources, namespace, name, optional)?.[key],
      'secret',
      `${namespace}/${name}`,
      key,
      optional,
    );
  }
  return '';
}

function required(
  value: string | undefined,
  kind: string,
  name: string,
  key: string,
  optional: boolean | undefined,
): string | undefined {
  if (value !== undefined || optional) return value;
  throw new MeshError({ code: 'missing_reference', kind, name, key }, `couldn't find key ${key} in ${kind} ${name}`);
}

function configData(
  sources: PodSources,
  namespace: string,
  name: string,
  optional: boolean | undefined,
): Record<string, string> | undefined {
  const found = sources.configMap(namespace, name);
  if (found !== undefined) return found.data ?? {};
  if (optional) return undefined;
  throw new MeshError({ code: 'missing_reference', kind: 'configmap', name }, `configmap "${name}" not found`);
}

function secretData(
  sources: PodSources,
  namespace: string,
  name: string,
  optional: boolean | undefined,
): Record<string, string> | undefined {
  const found = sources.secret(namespace, name);
  if (found !== undefined) {
    const decode = ([key, value]: [string, string]): [string, string] => [key, Buffer.from(value, 'base64').toString()];
    return Object.fromEntries(Object.entries(found.data ?? {}).map(decode));
  }
  if (optional) return undefined;
  throw new MeshError({ code: 'missing_reference', kind: 'secret', name }, `secret "${name}" not found`);
}

/** Service variables: always for the API, for the pod's namespace unless `enableServiceLinks` is false. */
function serviceVariables(pod: Pod, namespace: string, services: Iterable<Service>): Record<string, string> {
  const result: Record<string, string> = {};
  for (const service of services) {
    const { name, namespace: at } = service.metadata;
    const api = at === 'default' && name === 'kubernetes';
    if (!api && (at !== namespace || pod.spec.enableServiceLinks === false)) continue;
    const { clusterIP, ports = [] } = service.spec;
    const first = ports[0];
    if (clusterIP === undefined || clusterIP === '' || clusterIP === 'None' || first === undefined) continue;
    const prefix = name.toUpperCase().replaceAll('-', '_');
    result[`${prefix}_SERVICE_HOST`] = clusterIP;
    result[`${prefix}_SERVICE_PORT`] = String(first.port);
    result[`${prefix}_PORT`] = `tcp://${clusterIP}:${first.port}`;
    for (const port of ports) {
      const protocol = (port.protocol ?? 'TCP').toLowerCase();
      const base = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
      result[base] = `${protocol}://${clusterIP}:${port.port}`;
      result[`${base}_PROTO`] = protocol;
      result[`${base}_PORT`] = String(port.port);
      result[`${base}_ADDR`] = clusterIP;
      if (port.name)
        result[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = String(port.port);
    }
  }
  return result;
}
