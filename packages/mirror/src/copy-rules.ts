/**
 * Which labels and annotations travel from an exported Service to its mirror.
 *
 * Labels describe the application, so all travel but those by which tools track what they deployed: a mirror that carries them
 * is deleted by the tool of this cluster, which never deployed it. Annotations mostly instruct controllers of the exporting
 * cluster (load balancers, DNS), so only the mesh's own travel.
 */

type Entries = Readonly<Record<string, string>>;

/** Domains of label keys that never travel; subdomains included. */
const TOOL_LABEL_DOMAINS: readonly string[] = [
  'mirror.linkerd.io',
  'multicluster.linkerd.io',
  'federation.mesh.dev',
  'argocd.argoproj.io',
  'helm.sh',
  'fluxcd.io',
  'kapp.k14s.io',
  'cattle.io',
  'operators.coreos.com',
  'kubernetes.io',
  'k8s.io',
];

/** Recommended labels (app.kubernetes.io) describe the application, but for these two, by which Argo CD and Helm track. */
const APP_DOMAIN = 'app.kubernetes.io';
const TRACKING_LABELS: ReadonlySet<string> = new Set(['app.kubernetes.io/instance', 'app.kubernetes.io/managed-by']);
const TRACKING_BARE_LABELS: ReadonlySet<string> = new Set(['heritage', 'chart', 'release']);

/** Domains whose annotations change how the mesh treats a Service. */
const MESH_ANNOTATION_DOMAINS: readonly string[] = [
  'config.linkerd.io',
  'config.alpha.linkerd.io',
  'config.beta.linkerd.io',
  'balancer.linkerd.io',
  'balancer.alpha.linkerd.io',
  'retry.linkerd.io',
  'timeout.linkerd.io',
];

/** @param excluded Keys, or `prefix/*`, of `Link.spec.excludedLabels`. */
export function copiedLabels(labels: Entries | undefined, excluded: readonly string[]): Entries {
  return pick(labels, (key) => !isToolLabel(key) && !isExcluded(key, excluded));
}

/** @param excluded Keys, or `prefix/*`, of `Link.spec.excludedAnnotations`. Opaque ports travel even if excluded: without them connections break. */
export function copiedAnnotations(annotations: Entries | undefined, excluded: readonly string[]): Entries {
  return pick(
    annotations,
    (key) => key === 'config.linkerd.io/opaque-ports' || (isMeshAnnotation(key) && !isExcluded(key, excluded)),
  );
}

/** True for labels that a mirror may carry without being ours: tools of this cluster put them there. */
export function isToolLabel(key: string): boolean {
  const domain = domainOf(key);
  if (domain === '') return TRACKING_BARE_LABELS.has(key);
  if (domain === APP_DOMAIN) return TRACKING_LABELS.has(key);
  return inDomains(domain, TOOL_LABEL_DOMAINS);
}

export function isMeshAnnotation(key: string): boolean {
  return MESH_ANNOTATION_DOMAINS.includes(domainOf(key));
}

function isExcluded(key: string, excluded: readonly string[]): boolean {
  return excluded.some((entry) => (entry.endsWith('/*') ? key.startsWith(entry.slice(0, -1)) : entry === key));
}

function domainOf(key: string): string {
  const slash = key.indexOf('/');
  return slash < 0 ? '' : key.slice(0, slash);
}

function inDomains(domain: string, domains: readonly string[]): boolean {
  return domains.some((entry) => domain === entry || domain.endsWith(`.${entry}`));
}

function pick(entries: Entries | undefined, wanted: (key: string) => boolean): Entries {
  return Object.fromEntries(Object.entries(entries ?? {}).filter(([key]) => wanted(key)));
}
