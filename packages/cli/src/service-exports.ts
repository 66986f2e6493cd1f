/**
 * How a Service is exported: labels as Linkerd has them, a ServiceExport for the Multi-Cluster Services API, and an ExportPolicy where only some
 * peers or ports are meant. What to write is computed here; nothing is written.
 */
import { EXPORT_POLICIES, SERVICE_EXPORTS } from '@mesh/kube';
import type { ExportPolicy, KubeObject, ResourceKind, Service, ServiceExport } from '@mesh/kube';
import { CliError } from './errors.ts';

export const EXPORT_MODES = ['gateway', 'flat', 'federated', 'mcs'] as const;
export type ExportMode = (typeof EXPORT_MODES)[number];

const LABEL_EXPORTED = 'mirror.linkerd.io/exported';
const LABEL_FEDERATED = 'mirror.linkerd.io/federated';
/** Ties a Service to the policy that `mesh multicluster export --to` makes for it alone. */
const LABEL_POLICY = 'federation.mesh.dev/export-policy';
/** On what the command line made: what carries it may be deleted again. */
export const MADE_BY_CLI = { 'app.kubernetes.io/managed-by': 'mesh-cli' } as const;

/** Labels to set, `null` for those to take away. */
export type LabelChanges = Readonly<Record<string, string | null>>;

export interface ExportWish {
  readonly modes: readonly ExportMode[];
  /** Names of peers, `*` for all; absent: whatever is the case now. */
  readonly peers?: readonly string[];
  /** Names or numbers; absent: all. */
  readonly ports?: readonly string[];
}

export interface ExportPlan {
  readonly labels: LabelChanges;
  readonly objects: readonly (readonly [kind: ResourceKind, object: KubeObject])[];
}

/** @throws CliError naming the flag, and what would be right. */
export function planExport(service: Service, wish: ExportWish): ExportPlan {
  const { namespace = '', name } = service.metadata;
  if (service.spec?.type === 'ExternalName')
    throw new CliError(
      { code: 'usage' },
      `Service ${namespace}/${name} is a name for something elsewhere (ExternalName), which cannot be exported`,
    );
  if (wish.modes.includes('gateway') && wish.modes.includes('flat'))
    throw new CliError(
      { code: 'usage', flag: '--mode' },
      '--mode gateway,flat: a Service is mirrored one way or the other; give one of the two',
    );
  const restricted = wish.peers !== undefined || wish.ports !== undefined;
  return {
    labels: {
      ...(wish.modes.includes('gateway') ? { [LABEL_EXPORTED]: 'true' } : {}),
      ...(wish.modes.includes('flat') ? { [LABEL_EXPORTED]: 'remote-discovery' } : {}),
      ...(wish.modes.includes('federated') ? { [LABEL_FEDERATED]: 'member' } : {}),
      ...(restricted ? { [LABEL_POLICY]: name } : {}),
    },
    objects: [
      ...(wish.modes.includes('mcs') ? [[SERVICE_EXPORTS, serviceExport(namespace, name)] as const] : []),
      ...(restricted ? [[EXPORT_POLICIES, policy(service, wish)] as const] : []),
    ],
  };
}

/** What takes an export back; of modes that are not given all. */
export function planUnexport(modes: readonly ExportMode[]): {
  readonly labels: LabelChanges;
  readonly dropsServiceExport: boolean;
  readonly dropsPolicy: boolean;
} {
  const all = modes.length === 0;
  const drops = (mode: ExportMode): boolean => all || modes.includes(mode);
  return {
    labels: {
      ...(drops('gateway') || drops('flat') ? { [LABEL_EXPORTED]: null } : {}),
      ...(drops('federated') ? { [LABEL_FEDERATED]: null } : {}),
      ...(all ? { [LABEL_POLICY]: null } : {}),
    },
    dropsServiceExport: drops('mcs'),
    dropsPolicy: all,
  };
}

/** How the Service is exported now, by what it carries and whether it has a ServiceExport. */
export function modesOf(service: Service, hasServiceExport: boolean): readonly ExportMode[] {
  const { [LABEL_EXPORTED]: exported, [LABEL_FEDERATED]: federated } = service.metadata.labels ?? {};
  return EXPORT_MODES.filter((mode) => {
    if (mode === 'gateway') return exported === 'true';
    if (mode === 'flat') return exported === 'remote-discovery';
    return mode === 'federated' ? federated === 'member' : hasServiceExport;
  });
}

/** Names of the policies of its namespace that decide about a Service are given by their selectors; this one is the command line's. */
export function policyName(service: string): string {
  return service;
}

function serviceExport(namespace: string, name: string): ServiceExport {
  return { metadata: { name, namespace, labels: MADE_BY_CLI } };
}

function policy(service: Service, { peers = ['*'], ports = [] }: ExportWish): ExportPolicy {
  const { namespace = '', name } = service.metadata;
  return {
    metadata: { name: policyName(name), namespace, labels: MADE_BY_CLI },
    spec: {
      serviceSelector: { matchLabels: { [LABEL_POLICY]: name } },
      clusters: peers,
      ...(ports.length === 0 ? {} : { ports: ports.map((port) => checkedPort(service, port)) }),
    },
  };
}

function checkedPort(service: Service, text: string): number | string {
  const { namespace = '', name } = service.metadata;
  const ports = service.spec?.ports ?? [];
  const port = /^\d+$/.test(text) ? Number(text) : text;
  if (ports.some((each) => each.port === port || each.name === port)) return port;
  const known = ports.map((each) => (each.name === undefined ? `${each.port}` : `${each.name} (${each.port})`));
  throw new CliError(
    { code: 'usage', flag: '--ports' },
    `--ports ${text}: Service ${namespace}/${name} has no such port; its ports: ${known.join(', ') || 'none'}`,
  );
}
