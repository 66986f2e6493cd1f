/** What a pod's (or its namespace's) annotations change in the values: each with its check. */
import { parseDurationMs } from '@mesh/runtime';
import { parseCidr, parsePortSet, PortSet } from '@mesh/model';

import type { InjectionValues } from './values.ts';

export const CONFIG_PREFIX = 'config.linkerd.io/';

export interface Overridden {
  readonly values: InjectionValues;
  /** One sentence per annotation that was not usable, and therefore not used. */
  readonly warnings: readonly string[];
}

type Proxy = InjectionValues['proxy'];
type Change = (values: InjectionValues, text: string) => InjectionValues | undefined;

const proxy =
  <K extends keyof Proxy>(field: K, parse: (text: string) => Proxy[K] | undefined): Change =>
  (values, text) => {
    const value = parse(text);
    return value === undefined ? undefined : { ...values, proxy: { ...values.proxy, [field]: value } };
  };

const image =
  (field: keyof Proxy['image']): Change =>
  (values, text) =>
    text === ''
      ? undefined
      : { ...values, proxy: { ...values.proxy, image: { ...values.proxy.image, [field]: text } } };

const port =
  (field: keyof Proxy['ports']): Change =>
  (values, text) => {
    const value = integer(1, 65_535)(text);
    return value === undefined
      ? undefined
      : { ...values, proxy: { ...values.proxy, ports: { ...values.proxy.ports, [field]: value } } };
  };

const resource =
  (kind: 'cpu' | 'memory' | 'ephemeral-storage', bound: 'request' | 'limit'): Change =>
  (values, text) => {
    if (!/^\d+(\.\d+)?([numkMGTPE]|[KMGTPE]i)?$/.test(text)) return undefined;
    const { resources } = values.proxy;
    const before = resources[kind] ?? { request: '', limit: '' };
    return { ...values, proxy: { ...values.proxy, resources: { ...resources, [kind]: { ...before, [bound]: text } } } };
  };

const init =
  (field: 'ignoreInboundPorts' | 'ignoreOutboundPorts', check: (text: string) => string | undefined): Change =>
  (values, text) => {
    const value = check(text);
    if (value === undefined) return undefined;
    const before = values.proxyInit[field];
    return {
      ...values,
      proxyInit: { ...values.proxyInit, [field]: [before, value].filter((one) => one !== '').join(',') },
    };
  };

const POLICIES = [
  'all-unauthenticated',
  'all-authenticated',
  'cluster-unauthenticated',
  'cluster-authenticated',
  'deny',
  'audit',
];

/** By annotation, without the prefix. Port lists that may name container ports are read elsewhere. */
const CHANGES: Readonly<Record<string, Change>> = {
  'proxy-image': image('name'),
  'proxy-version': image('version'),
  'image-pull-policy': (values, text) =>
    ['Always', 'IfNotPresent', 'Never'].includes(text) ? image('pullPolicy')(values, text) : undefined,
  'proxy-log-level': proxy('logLevel', nonEmpty),
  'proxy-log-format': proxy('logFormat', oneOf(['plain', 'json'])),
  'proxy-uid': proxy('uid', integer(0, 0x7fff_ffff)),
  'proxy-enable-native-sidecar': proxy('nativeSidecar', boolean),
  'proxy-await': proxy('await', oneOfEnabled),
  'default-inbound-policy': proxy('defaultInboundPolicy', oneOf(POLICIES)),
  'enable-external-profiles': proxy('enableExternalProfiles', boolean),
  'proxy-admin-shutdown': proxy('enableShutdownEndpoint', oneOfEnabled),
  'proxy-require-identity-inbound-ports': proxy('requireIdentityOnInboundPorts', portList),
  'proxy-outbound-connect-timeout': proxy('outboundConnectTimeout', duration),
  'proxy-inbound-connect-timeout': proxy('inboundConnectTimeout', duration),
  'proxy-outbound-discovery-cache-unused-timeout': proxy('outboundDiscoveryCacheUnusedTimeout', duration),
  'proxy-inbound-discovery-cache-unused-timeout': proxy('inboundDiscoveryCacheUnusedTimeout', duration),
  'proxy-cpu-request': resource('cpu', 'request'),
  'proxy-cpu-limit': resource('cpu', 'limit'),
  'proxy-memory-request': resource('memory', 'request'),
  'proxy-memory-limit': resource('memory', 'limit'),
  'proxy-ephemeral-storage-request': resource('ephemeral-storage', 'request'),
  'proxy-ephemeral-storage-limit': resource('ephemeral-storage', 'limit'),
  'admin-port': port('admin'),
  'control-port': port('control'),
  'inbound-port': port('inbound'),
  'outbound-port': port('outbound'),
  'skip-inbound-ports': init('ignoreInboundPorts', portList),
  'skip-outbound-ports': init('ignoreOutboundPorts', portList),
  'skip-subnets': (values, text) => {
    const good = text.split(',').every((item) => parseCidr(item.trim()) !== undefined);
    return good ? { ...values, proxyInit: { ...values.proxyInit, skipSubnets: text } } : undefined;
  },
};

/** @param annotations The pod's over its namespace's. */
export function overrideValues(values: InjectionValues, annotations: Readonly<Record<string, string>>): Overridden {
  const warnings: string[] = [];
  let changed = values;
  for (const [key, text] of Object.entries(annotations)) {
    const name = key.replace(/^config\.(?:alpha\.|beta\.)?linkerd\.io\//, '');
    const change = name === key ? undefined : Object.hasOwn(CHANGES, name) ? CHANGES[name] : undefined;
    if (change === undefined) continue;
    const next = change(changed, text.trim());
    if (next === undefined) warnings.push(`annotation ${key}="${text}" is not usable and was ignored`);
    else changed = next;
  }
  return { values: changed, warnings };
}

function nonEmpty(text: string): string | undefined {
  return text === '' ? undefined : text;
}

function boolean(text: string): boolean | undefined {
  return text === 'true' ? true : text === 'false' ? false : undefined;
}

/** Linkerd writes some switches as words. */
function oneOfEnabled(text: string): boolean | undefined {
  return text === 'enabled' || text === 'true' ? true : text === 'disabled' || text === 'false' ? false : undefined;
}

function oneOf(words: readonly string[]): (text: string) => string | undefined {
  return (text) => words.find((word) => word === text);
}

function integer(min: number, max: number): (text: string) => number | undefined {
  return (text) => (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max ? Number(text) : undefined);
}

function duration(text: string): string | undefined {
  return parseDurationMs(text) === undefined ? undefined : text;
}

function portList(text: string): string | undefined {
  return parsePortSet(text) instanceof PortSet ? text.replaceAll(' ', '') : undefined;
}
