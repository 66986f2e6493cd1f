/**
 * The way of one exported Service, step by step from the exporter to an answer: what is exported, what the view shows, the Link, the mirror, the
 * gateway, the endpoints, a real request. Each step needs those before it, so the first that fails is the cause.
 */
import {
  ENDPOINT_SLICES,
  EXPORT_POLICIES,
  EXPORTED_SERVICES,
  isKubeError,
  LINKS,
  matchesSelector,
  SERVICE_EXPORTS,
  SERVICE_IMPORTS,
  SERVICES,
} from '@mesh/kube';
import type {
  Condition,
  EndpointSlice,
  ExportPolicy,
  KubeClient,
  Link,
  MirroredServiceStatus,
  Service,
  ServiceImport,
} from '@mesh/kube';
import { LABEL_CLUSTER, LABEL_MIRRORED, readyIn, serviceOf } from '../federation-state.ts';
import { exportNamespaces, peerName } from '../manifests/remote-access.ts';
import { modesOf } from '../service-exports.ts';
import { SkipCheck } from './check.ts';
import type { Check, CheckCategory } from './check.ts';
import type { CheckState } from './state.ts';
import { httpPortOf } from './traffic/gateway-targets.ts';
import type { ProbeRun } from './traffic/probe-run.ts';
import { assertAnswered, endCheck, startChecks } from './traffic/traffic.ts';

export interface Diagnosed {
  /** Of the Service at the exporter. */
  readonly namespace: string;
  readonly name: string;
  /** The Link through which it should come. */
  readonly link: Link;
  /** Namespace of the extension, here and there. */
  readonly extensionNamespace: string;
}

/** The name of the probe's target. */
export const DIAGNOSIS_TARGET = 'diagnosis';

export const DIAGNOSIS = 'linkerd-multicluster-diagnosis';

/** @param exporter Absent: only this side is looked at. @param probe Absent: no request is sent. */
export function diagnosisCategory(
  subject: Diagnosed,
  importer: CheckState,
  exporter: CheckState | undefined,
  probe: ProbeRun | undefined,
): CheckCategory {
  const where = `${subject.namespace}/${subject.name}`;
  const cluster = clusterOf(subject);
  const step = (description: string, hint: string, run: () => Promise<string | void>): Check => ({
    description,
    hint,
    fatal: true,
    run,
  });
  return {
    name: DIAGNOSIS,
    checks: [
      ...(exporter === undefined
        ? []
        : [
            step(`cluster ${cluster} exports ${where}`, 'diagnose-export', () => checkExport(subject, exporter)),
            step(`cluster ${cluster} shows ${where} to this one`, 'diagnose-view', () => checkView(subject, exporter)),
          ]),
      step(`the Link to ${cluster} works`, 'diagnose-link', () =>
        Promise.resolve().then(() => checkLink(subject.link)),
      ),
      step(`${where} is mirrored here`, 'diagnose-mirror', () => checkMirror(subject, importer)),
      step(`the gateway of ${cluster} is alive`, 'diagnose-gateway', () => checkGateway(subject, importer)),
      step(`${where} has a ready endpoint here`, 'diagnose-endpoints', () => checkEndpoints(subject, importer)),
      ...(probe === undefined
        ? []
        : [
            ...startChecks(probe),
            step(`a request to ${where} is answered`, 'diagnose-target', () =>
              Promise.resolve().then(() => checkAnswer(probe)),
            ),
            endCheck(probe),
          ]),
    ],
  };
}

/** Where the Service can be called here, as far as it speaks HTTP. */
export async function localUrl(subject: Diagnosed, importer: CheckState): Promise<string | undefined> {
  const client = await importer.client();
  const service = await localService(subject, client);
  if (service !== undefined) {
    const port = httpPortOf(service.spec?.ports ?? []);
    if (port === undefined) return undefined;
    const { clusterDomain } = await importer.config();
    return `http://${service.metadata.name}.${subject.namespace}.svc.${clusterDomain}:${port.port}/`;
  }
  const port = httpPortOf((await importOf(subject, client))?.spec.ports ?? []);
  return port === undefined ? undefined : `http://${importName(subject)}:${port.port}/`;
}

async function checkExport({ namespace, name }: Diagnosed, exporter: CheckState): Promise<string> {
  const client = await exporter.client();
  const service = await client.get(SERVICES, { namespace, name });
  if (service === undefined) throw new Error(`there is no Service ${namespace}/${name} there`);
  const exported = await orUnknown(client.get(SERVICE_EXPORTS, { namespace, name }));
  const modes = modesOf(service, exported !== undefined);
  if (modes.length === 0)
    throw new Error(
      `Service ${namespace}/${name} is not exported: mesh multicluster export ${namespace}/${name}, there`,
    );
  const bad = (exported?.status?.conditions ?? []).filter(({ type, status }) => type === 'Valid' && status === 'False');
  if (bad.length > 0) throw new Error(`its ServiceExport is not valid: ${textOf(bad)}`);
  return `as ${modes.join(', ')}`;
}

async function checkView(
  { namespace, name, link, extensionNamespace }: Diagnosed,
  exporter: CheckState,
): Promise<string> {
  const client = await exporter.client();
  const peer = link.metadata.annotations?.['federation.mesh.dev/peer'];
  if (link.metadata.annotations?.['federation.mesh.dev/export-namespaces'] === undefined) throw new SkipCheck();
  const { items } = await client.list(EXPORTED_SERVICES);
  const found = items.filter(({ spec }) => spec.service.namespace === namespace && spec.service.name === name);
  const namespaces = exportNamespaces(extensionNamespace, peer);
  const shown = found.find(({ metadata }) => namespaces.includes(metadata.namespace ?? ''));
  if (shown === undefined) throw new Error(await whyNotShown({ namespace, name, peer, client }));
  const ports = shown.spec.ports.map(({ port }) => port).join(', ');
  if (!shown.spec.ready)
    throw new Error(`it has no ready endpoint there: look at the pods behind Service ${namespace}/${name}`);
  return `in namespace ${shown.metadata.namespace ?? ''}, ports ${ports}`;
}

interface Hidden {
  readonly namespace: string;
  readonly name: string;
  readonly peer: string | undefined;
  readonly client: KubeClient;
}

async function whyNotShown({ namespace, name, peer, client }: Hidden): Promise<string> {
  const service = await client.get(SERVICES, { namespace, name });
  const policies = (await orUnknown(client.list(EXPORT_POLICIES, { namespace })))?.items ?? [];
  const about = policies.filter((policy) => service !== undefined && selects(policy, service));
  const whom = peer === undefined ? 'clusters that link without --peer' : `peer ${peer}`;
  if (about.length > 0) {
    const names = about.map(({ metadata }) => metadata.name).join(', ');
    return `ExportPolicy ${names} of namespace ${namespace} does not show it to ${whom}: add ${peer === undefined ? '"*"' : peer} to spec.clusters, or link as a peer that is named there`;
  }
  return `no view has it for ${whom}, although nothing forbids it: is the service mirror of that cluster running${peer === undefined ? '' : `, and does namespace ${peerName(peer)} exist`}?`;
}

function selects({ spec }: ExportPolicy, service: Service): boolean {
  return spec.serviceSelector === undefined || matchesSelector(spec.serviceSelector, service.metadata.labels ?? {});
}

const LINK_CONDITIONS = new Set(['Valid', 'CredentialsValid', 'Reachable', 'VersionSupported', 'ViewCurrent']);

function checkLink({ status }: Link): string {
  const conditions = (status?.conditions ?? []).filter(({ type }) => LINK_CONDITIONS.has(type));
  if (conditions.length === 0)
    throw new Error('it has no conditions yet: is the service mirror here running? See mesh multicluster check');
  const bad = conditions.filter((condition) => condition.status === 'False');
  if (bad.length > 0) throw new Error(textOf(bad));
  return conditions.find(({ type }) => type === 'CredentialsValid')?.message ?? '';
}

async function checkMirror(subject: Diagnosed, importer: CheckState): Promise<string> {
  const { namespace, name, link } = subject;
  const items = itemsOf(link, subject);
  const bad = items.flatMap(({ conditions }) => conditions.filter(({ status }) => status !== 'True').slice(0, 1));
  if (items.length > 0 && bad.length === items.length) throw new Error(textOf(bad));
  const client = await importer.client();
  const service = await localService(subject, client);
  if (service !== undefined) return `as Service ${namespace}/${service.metadata.name}`;
  if (items.length > 0) throw new Error(`the Link says that it is mirrored, but there is no such Service here`);
  if ((await importOf(subject, client)) !== undefined) return `as import ${importName(subject)}`;
  const seen = link.status?.conditions?.find(({ type }) => type === 'ExportsSeen')?.message;
  throw new Error(
    `cluster ${clusterOf(subject)} does not export ${namespace}/${name} to this one, or not in a way that the selectors of the Link ask for${seen === undefined ? '' : `; ${seen}`}. With --exporter-context the other side is looked at too`,
  );
}

async function checkGateway(subject: Diagnosed, importer: CheckState): Promise<string> {
  const slices = await slicesOf(subject, await importer.client());
  const usesGateway = slices.some(({ metadata }) => metadata.annotations?.[GATEWAY_IDENTITY] !== undefined);
  if (!usesGateway) throw new SkipCheck();
  const found = subject.link.status?.conditions?.find(({ type }) => type === 'GatewayAlive');
  if (found?.status === 'False') throw new Error(found.message ?? found.reason ?? '');
  return found?.message ?? '';
}

const GATEWAY_IDENTITY = 'mirror.linkerd.io/remote-gateway-identity';

async function checkEndpoints(subject: Diagnosed, importer: CheckState): Promise<string> {
  const slices = await slicesOf(subject, await importer.client());
  const ready = readyIn(slices);
  if (ready > 0) return `${ready} ready`;
  const known = slices.flatMap(({ endpoints }) => endpoints).length;
  throw new Error(
    known === 0
      ? `no pod behind ${subject.namespace}/${subject.name} is ready there`
      : `none of its ${known} endpoints is ready`,
  );
}

function checkAnswer(probe: ProbeRun): string {
  const answered = assertAnswered(probe, DIAGNOSIS_TARGET);
  const status = probe.report(DIAGNOSIS_TARGET)?.status ?? 0;
  if (status === 403)
    throw new Error(
      `${answered}: refused. Either an ExportPolicy does not allow this cluster, or an AuthorizationPolicy there does not admit the client`,
    );
  if (status >= 500) throw new Error(`${answered}: the Service, or a proxy on the way, fails`);
  const identity = probe.report(DIAGNOSIS_TARGET)?.sidecar?.serverIdentity;
  return identity === undefined ? answered : `${answered}\nmTLS with ${identity}`;
}

function itemsOf(link: Link, { namespace, name }: Diagnosed): readonly MirroredServiceStatus[] {
  const { mirrorServices = [], federatedServices = [] } = link.status ?? {};
  return [...mirrorServices, ...federatedServices].filter(
    ({ remoteRef }) => remoteRef.namespace === namespace && remoteRef.name === name,
  );
}

/**
 * A mirror rather than a federated Service, since it is this cluster's alone. By their own labels: the Link names both in its status, but some
 * seconds later.
 */
async function localService(subject: Diagnosed, client: KubeClient): Promise<Service | undefined> {
  const { namespace, name } = subject;
  const cluster = clusterOf(subject);
  const { items } = await client.list(SERVICES, { namespace, labelSelector: `${LABEL_MIRRORED}=true` });
  const mirror = items.find(
    ({ metadata: { labels, annotations } }) =>
      labels?.[LABEL_CLUSTER] === cluster && annotations?.[REMOTE_NAME]?.startsWith(`${name}.${namespace}.svc.`),
  );
  return (
    mirror ??
    items.find(({ metadata }) => metadata.annotations?.[REMOTE_MEMBERS]?.split(',').includes(`${name}@${cluster}`))
  );
}

/** Of a mirror: the full name of its Service at the exporter. */
const REMOTE_NAME = 'mirror.linkerd.io/remote-svc-fq-name';
/** Of a federated Service: `SERVICE@CLUSTER` of each member from elsewhere. */
const REMOTE_MEMBERS = 'multicluster.linkerd.io/remote-discovery';

function clusterOf({ link }: Diagnosed): string {
  return link.spec.targetClusterName ?? link.metadata.name;
}

/** The ServiceImport to which the linked cluster contributes. */
async function importOf(subject: Diagnosed, client: KubeClient): Promise<ServiceImport | undefined> {
  const { namespace, name } = subject;
  const found = await orUnknown(client.get(SERVICE_IMPORTS, { namespace, name }));
  const cluster = clusterOf(subject);
  return found?.status?.clusters?.some((each) => each.cluster === cluster) === true ? found : undefined;
}

function importName({ namespace, name }: Diagnosed): string {
  return `${name}.${namespace}.svc.clusterset.local`;
}

async function slicesOf(subject: Diagnosed, client: KubeClient): Promise<readonly EndpointSlice[]> {
  const service = await localService(subject, client);
  const { items } = await client.list(ENDPOINT_SLICES, { namespace: subject.namespace });
  if (service === undefined) {
    const cluster = clusterOf(subject);
    return items.filter(
      ({ metadata: { labels = {} } }) =>
        labels['multicluster.kubernetes.io/service-name'] === subject.name &&
        labels['multicluster.kubernetes.io/source-cluster'] === cluster &&
        labels['federation.mesh.dev/path'] !== 'bridge',
    );
  }
  return items.filter((slice) => serviceOf(slice) === `${subject.namespace}/${service?.metadata.name ?? ''}`);
}

/** @throws Error naming the Links to choose from. */
export async function linkFor(
  client: KubeClient,
  { namespace, name, from }: { readonly namespace: string; readonly name: string; readonly from: string | undefined },
): Promise<Link> {
  const { items } = await client.list(LINKS);
  const names = (links: readonly Link[]): string =>
    links
      .map(({ metadata }) => metadata.name)
      .sort()
      .join(', ');
  const subject = { namespace, name } as Diagnosed;
  const candidates =
    from === undefined
      ? items.filter((link) => itemsOf(link, subject).length > 0)
      : items.filter((link) => link.metadata.name === from || link.spec.targetClusterName === from);
  const chosen = from === undefined && candidates.length === 0 ? items : candidates;
  const [link] = chosen;
  if (link !== undefined && chosen.length === 1) return link;
  if (items.length === 0) throw new Error('this cluster has no Links: link it with mesh multicluster link');
  throw new Error(
    chosen.length === 0
      ? `--from ${from ?? ''}: no such Link; Links here: ${names(items)}`
      : `${namespace}/${name} may come through several Links; choose one with --from: ${names(chosen)}`,
  );
}

function textOf(conditions: readonly Pick<Condition, 'type' | 'reason' | 'message'>[]): string {
  return conditions.map(({ type, reason, message }) => `${type}: ${message ?? reason ?? ''}`).join('\n');
}

/** What a cluster's API does not know is nowhere in it. */
async function orUnknown<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (isKubeError(error, 'not_found')) return undefined;
    throw error;
  }
}
