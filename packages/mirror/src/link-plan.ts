/** Reads a Link into what the mirror works with, and says in sentences what is wrong with it. */
import { isEmptySelector, keyOf } from '@mesh/kube';
import type { LabelSelector, Link } from '@mesh/kube';
import { isDnsName, parseIp, parseWorkloadIdentity, readGatewayZones } from '@mesh/model';
import type { GatewayZones } from '@mesh/model';
import { ANNOTATION_GATEWAY_ZONES, ANNOTATION_PATH, ANNOTATION_PEER, ANNOTATION_VIEWS } from './names.ts';

/** How a federated member is reached: through its gateway, or pod to pod. */
export type MemberPath = 'gateway' | 'flat';

/** What a peer writes down for us (ADR 0018). */
export interface ViewPlan {
  /** Our Peer's name there; absent: only what every peer sees. */
  readonly peer: string | undefined;
  /** The most specific last. */
  readonly namespaces: readonly string[];
}

export interface GatewayPlan {
  /** IP literals and DNS names. */
  readonly hosts: readonly string[];
  /** Of those whose zone the Link tells. */
  readonly zones: GatewayZones;
  readonly port: number;
  readonly identity: string;
}

export interface ProbePlan {
  readonly path: string;
  readonly port: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly failureThreshold: number;
}

export interface LinkPlan {
  /** `namespace/name` of the Link. */
  readonly key: string;
  readonly namespace: string;
  /** Suffix of mirrors, label value. */
  readonly cluster: string;
  readonly domain: string;
  readonly secretName: string;
  /** Absent for a link without gateway. */
  readonly gateway: GatewayPlan | undefined;
  /** Absent: no probing, the gateway counts as alive. */
  readonly probe: ProbePlan | undefined;
  readonly selector: LabelSelector | undefined;
  readonly flatSelector: LabelSelector | undefined;
  readonly federatedSelector: LabelSelector | undefined;
  readonly excludedAnnotations: readonly string[];
  readonly excludedLabels: readonly string[];
  /** Absent: the peer is followed through its Services, as Linkerd does it. */
  readonly view: ViewPlan | undefined;
  /** What the Link says; absent: through the gateway where it has one. */
  readonly path: MemberPath | undefined;
  /** Where the peer's control plane is. */
  readonly controlPlaneNamespace: string;
  /** Of the peer's identities, as far as the Link tells. */
  readonly trustDomain: string;
  /** RFC 3339; the oldest Link decides about the metadata of federated Services. */
  readonly createdAt: string;
}

export interface ParsedLink {
  /** Absent when `problems` leave nothing to work with. */
  readonly plan: LinkPlan | undefined;
  readonly problems: readonly string[];
}

const DEFAULT_PERIOD_MS = 3_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_FAILURE_THRESHOLD = 3;
const DEFAULT_DOMAIN = 'cluster.local';
const DEFAULT_CONTROL_PLANE = 'linkerd';
/** A peer's own view is there. */
const VIEW_PREFIX = 'mesh-peer-';

export function parseLink(link: Link): ParsedLink {
  const { spec, metadata } = link;
  const problems: string[] = [];
  const cluster = spec.targetClusterName ?? '';
  if (cluster === '') problems.push('spec.targetClusterName is empty: set it to the name of the linked cluster');
  else if (!isDnsLabel(cluster)) {
    problems.push(
      `spec.targetClusterName "${cluster}" is not a DNS label: use lower-case letters, digits and dashes, 63 at most`,
    );
  }
  const usable = problems.length === 0;
  const gateway = parseGateway(link, problems);
  const probe = gateway === undefined ? undefined : parseProbe(link, problems);
  const plan: LinkPlan = {
    key: keyOf(metadata),
    namespace: metadata.namespace ?? '',
    cluster,
    domain: spec.targetClusterDomain || DEFAULT_DOMAIN,
    secretName: spec.clusterCredentialsSecret || `cluster-credentials-${metadata.name}`,
    gateway,
    probe,
    selector: selectorOf(spec.selector),
    flatSelector: selectorOf(spec.remoteDiscoverySelector),
    federatedSelector: selectorOf(spec.federatedServiceSelector),
    excludedAnnotations: spec.excludedAnnotations ?? [],
    excludedLabels: spec.excludedLabels ?? [],
    view: parseView(link, problems),
    path: parsePath(link, problems),
    controlPlaneNamespace: spec.targetClusterLinkerdNamespace || DEFAULT_CONTROL_PLANE,
    trustDomain:
      parseWorkloadIdentity(spec.gatewayIdentity ?? '')?.trustDomain ?? (spec.targetClusterDomain || DEFAULT_DOMAIN),
    createdAt: metadata.creationTimestamp ?? '',
  };
  return { plan: usable ? plan : undefined, problems };
}

/** Empty selectors of a Link select nothing, unlike elsewhere in Kubernetes. */
function selectorOf(selector: LabelSelector | undefined): LabelSelector | undefined {
  return isEmptySelector(selector) ? undefined : selector;
}

function parseView({ metadata }: Link, problems: string[]): ViewPlan | undefined {
  const text = metadata.annotations?.[ANNOTATION_VIEWS] ?? '';
  const peer = metadata.annotations?.[ANNOTATION_PEER] || undefined;
  const names = [...new Set(text.split(',').map((name) => name.trim()))].filter((name) => name !== '');
  for (const name of names) {
    if (!isDnsLabel(name))
      problems.push(`annotation ${ANNOTATION_VIEWS} holds "${name}", which is no namespace's name`);
  }
  const valid = names.filter(isDnsLabel);
  if (valid.length === 0) return undefined;
  // What the peer keeps for us alone replaces what it shows to all.
  const own = `${VIEW_PREFIX}${peer ?? ''}`;
  return { peer, namespaces: valid.toSorted((a, b) => Number(a === own) - Number(b === own)) };
}

function parsePath({ metadata }: Link, problems: string[]): MemberPath | undefined {
  const text = metadata.annotations?.[ANNOTATION_PATH];
  if (text === undefined || text === 'gateway' || text === 'flat') return text;
  problems.push(`annotation ${ANNOTATION_PATH} is "${text}": write gateway or flat`);
  return undefined;
}

function parseGateway(link: Link, problems: string[]): GatewayPlan | undefined {
  const { gatewayAddress = '', gatewayPort = '', gatewayIdentity = '' } = link.spec;
  const hosts = gatewayAddress
    .split(',')
    .map((host) => host.trim())
    .filter((host) => host !== '');
  if (hosts.length === 0) return undefined;
  for (const host of hosts) {
    if (parseIp(host) === undefined && !isDnsName(host)) {
      problems.push(`spec.gatewayAddress holds "${host}", which is neither an IP address nor a DNS name`);
    }
  }
  const port = parsePort(gatewayPort);
  if (port === undefined)
    problems.push(`spec.gatewayPort "${gatewayPort}" is not a port: write a number from 1 to 65535 as a string`);
  if (!isDnsName(gatewayIdentity)) {
    problems.push(
      `spec.gatewayIdentity "${gatewayIdentity}" is not an identity: copy the annotation mirror.linkerd.io/gateway-identity of the gateway Service there`,
    );
  }
  const valid = hosts.filter((host) => parseIp(host) !== undefined || isDnsName(host));
  const { zones, problems: wrongZones } = readGatewayZones(
    link.metadata.annotations?.[ANNOTATION_GATEWAY_ZONES] ?? '',
    hosts,
  );
  problems.push(...wrongZones.map((problem) => `annotation ${ANNOTATION_GATEWAY_ZONES}: ${problem}`));
  if (port === undefined || valid.length === 0 || !isDnsName(gatewayIdentity)) return undefined;
  return { hosts: valid, zones, port, identity: gatewayIdentity };
}

function parseProbe(link: Link, problems: string[]): ProbePlan | undefined {
  const spec = link.spec.probeSpec ?? {};
  if ((spec.path ?? '') === '') return undefined;
  const port = parsePort(spec.port ?? '');
  if (port === undefined)
    problems.push(`spec.probeSpec.port "${spec.port ?? ''}" is not a port; the gateway is not probed`);
  const periodMs = durationOr(spec.period, DEFAULT_PERIOD_MS, 'spec.probeSpec.period', problems);
  const timeoutMs = durationOr(spec.timeout, DEFAULT_TIMEOUT_MS, 'spec.probeSpec.timeout', problems);
  const failureThreshold = Number(spec.failureThreshold || DEFAULT_FAILURE_THRESHOLD);
  const validThreshold = Number.isInteger(failureThreshold) && failureThreshold > 0;
  if (!validThreshold) {
    problems.push(
      `spec.probeSpec.failureThreshold "${spec.failureThreshold}" is not a positive number; ${DEFAULT_FAILURE_THRESHOLD} is used`,
    );
  }
  if (port === undefined) return undefined;
  return {
    path: (spec.path ?? '').startsWith('/') ? (spec.path ?? '') : `/${spec.path}`,
    port,
    periodMs,
    timeoutMs,
    failureThreshold: validThreshold ? failureThreshold : DEFAULT_FAILURE_THRESHOLD,
  };
}

function durationOr(text: string | undefined, fallbackMs: number, field: string, problems: string[]): number {
  if (text === undefined || text === '') return fallbackMs;
  const ms = parseGoDuration(text);
  if (ms !== undefined && ms > 0) return ms;
  problems.push(`${field} "${text}" is not a duration such as 3s; ${fallbackMs / 1000}s is used`);
  return fallbackMs;
}

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a Go duration such as `1m30s`; a bare integer means seconds, as Linkerd's CLI reads it. */
export function parseGoDuration(text: string): number | undefined {
  if (/^\d+$/.test(text)) return Number(text) * 1000;
  if (!/^(\d+(\.\d+)?(ns|us|µs|ms|s|m|h))+$/.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g)) {
    totalMs += Number(amount) * (UNIT_MS[unit ?? ''] ?? 0);
  }
  return totalMs;
}

function parsePort(text: string): number | undefined {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  return port >= 1 && port <= 65_535 ? port : undefined;
}

function isDnsLabel(text: string): boolean {
  return /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(text);
}
