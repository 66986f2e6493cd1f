/** What a pod's (or its namespace's) annotations change in the cluster's values. */
import { editDistance } from '@mesh/runtime';
import { parsePortSet, PortSet } from '@mesh/model';
import type { Pod } from '@mesh/kube';

import { OPAQUE_PORTS } from '../annotations.ts';
import { containerPort } from '../workload.ts';
import { ANNOTATION_RULES, OTHER_ANNOTATIONS } from './annotations.ts';
import type { PodConfig } from './annotations.ts';
import { quantityOf } from './forms.ts';
import type { InjectionResources, InjectionValues } from './values.ts';

/** The first one that is there counts; Linkerd has moved annotations from the last to the first. */
const PREFIXES = ['config.linkerd.io/', 'config.beta.linkerd.io/', 'config.alpha.linkerd.io/'] as const;

export interface Overridden {
  readonly config: PodConfig;
  /** One sentence per annotation that could not be used, and therefore was not. */
  readonly warnings: readonly string[];
  /** Set when the pod must not start as it is: why. */
  readonly refusal?: string;
}

/** The name behind one of the prefixes; undefined for other annotations. */
export function configName(key: string): string | undefined {
  const prefix = PREFIXES.find((one) => key.startsWith(one));
  return prefix === undefined ? undefined : key.slice(prefix.length);
}

/** @param annotations The pod's over its namespace's. */
export function overrideValues(
  values: InjectionValues,
  annotations: Readonly<Record<string, string>>,
  pod: Pod,
): Overridden {
  const warnings: string[] = [];
  const refusals: string[] = [];
  let config: PodConfig = { values, gateway: false, debugSidecar: false };
  for (const [key, text] of Object.entries(annotations)) {
    const name = configName(key);
    if (name === undefined || !counts(key, name, annotations)) continue;
    const rule = Object.hasOwn(ANNOTATION_RULES, name) ? ANNOTATION_RULES[name] : undefined;
    if (rule === undefined) {
      if (!OTHER_ANNOTATIONS.has(name)) warnings.push(unknownAnnotation(key, name));
      continue;
    }
    const next = rule.apply(config, text.trim());
    if (next !== undefined) config = next;
    else if (rule.guards) refusals.push(`annotation ${key}: ${quoted(text)} cannot be used: give ${rule.words}`);
    else warnings.push(`annotation ${key}: ${quoted(text)} cannot be used and changes nothing: give ${rule.words}`);
  }
  config = withSoundPorts(config, values, pod, warnings);
  config = withSoundResources(config, warnings);
  warnings.push(...opaquePortWarnings(annotations[OPAQUE_PORTS], pod));
  return { config, warnings, ...(refusals.length === 0 ? {} : { refusal: refusals.join('; ') }) };
}

function counts(key: string, name: string, annotations: Readonly<Record<string, string>>): boolean {
  const first = PREFIXES.find((prefix) => Object.hasOwn(annotations, `${prefix}${name}`));
  return key === `${first}${name}`;
}

/** Two listeners cannot share a port, nor can the sidecar and the application. */
function withSoundPorts(config: PodConfig, values: InjectionValues, pod: Pod, warnings: string[]): PodConfig {
  const { ports } = config.values.proxy;
  const numbers = Object.values(ports);
  if (new Set(numbers).size < numbers.length) {
    warnings.push(
      `the ports of the sidecar would collide (${Object.entries(ports)
        .map(([name, port]) => `${name}-port ${port}`)
        .join(', ')}) and stay as they are: give four different ones`,
    );
    const proxy = { ...config.values.proxy, ports: values.proxy.ports };
    return withSoundPorts({ ...config, values: { ...config.values, proxy } }, values, pod, warnings);
  }
  for (const container of [...(pod.spec.initContainers ?? []), ...pod.spec.containers]) {
    for (const { containerPort: number, protocol = 'TCP' } of container.ports ?? []) {
      const taken = Object.entries(ports).find(([, one]) => one === number);
      if (protocol !== 'TCP' || taken === undefined) continue;
      warnings.push(
        `container ${container.name} declares port ${number}, which the sidecar listens on: move one of them, the sidecar's with annotation config.linkerd.io/${taken[0]}-port`,
      );
    }
  }
  return config;
}

/** The API server refuses pods that ask for more than their limit. */
function withSoundResources(config: PodConfig, warnings: string[]): PodConfig {
  const { proxy } = config.values;
  const sound: Record<string, { request: string; limit: string }> = {};
  for (const [kind, { request, limit }] of Object.entries(proxy.resources)) {
    const exceeds = request !== '' && limit !== '' && (quantityOf(request) ?? 0) > (quantityOf(limit) ?? Infinity);
    if (exceeds) {
      warnings.push(
        `the sidecar's ${kind} request ${request} is above its limit ${limit}, so the request is lowered to it: give annotations config.linkerd.io/proxy-${kind}-request and config.linkerd.io/proxy-${kind}-limit that fit each other`,
      );
    }
    sound[kind] = { request: exceeds ? limit : request, limit };
  }
  const resources = sound as unknown as InjectionResources;
  return { ...config, values: { ...config.values, proxy: { ...proxy, resources } } };
}

function opaquePortWarnings(text: string | undefined, pod: Pod): readonly string[] {
  return (text ?? '').split(',').flatMap((part) => {
    const item = part.trim();
    if (parsePortSet(item) instanceof PortSet || containerPort(pod, item) !== undefined) return [];
    return [
      `annotation ${OPAQUE_PORTS}: ${quoted(item)} is ignored: give ports, ranges, or names of ports of the pod's containers`,
    ];
  });
}

function unknownAnnotation(key: string, name: string): string {
  const near = Object.keys(ANNOTATION_RULES)
    .map((known) => ({ known, distance: editDistance(name, known) }))
    .toSorted((a, b) => a.distance - b.distance)[0];
  const hint =
    near !== undefined && near.distance <= Math.max(2, name.length / 6)
      ? `did you mean ${PREFIXES[0]}${near.known}?`
      : 'remove it, or look its name up';
  return `annotation ${key} is not known and changes nothing: ${hint}`;
}

/** Annotations may hold anything; messages stay readable. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
