/** The shape of the objects that the CLI prints, and the few helpers that every manifest needs. */
import type { Text } from './template.ts';

/** Labels or annotations, some of them computed. */
export type Labels = Readonly<Record<string, Text>>;

/** A manifest that may hold expressions. */
export interface ManifestTemplate {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly [key: string]: unknown;
}

export interface ObjectMeta {
  readonly name?: string;
  readonly namespace?: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly [key: string]: unknown;
}

/** Any Kubernetes object as it is written in a manifest. */
export interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: ObjectMeta;
  readonly [key: string]: unknown;
}

export interface RbacRule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames?: readonly Text[];
  readonly verbs: readonly unknown[];
}

/** What an informer needs. */
export const WATCH = ['list', 'watch'] as const;

export function rule(
  group: string,
  resources: readonly string[],
  verbs: readonly unknown[],
  names?: readonly Text[],
): RbacRule {
  return { apiGroups: [group], resources, ...(names === undefined ? {} : { resourceNames: names }), verbs };
}

/** Recording an Event: created once, then counted up by patches. */
export const EVENT_RULES: readonly RbacRule[] = [rule('', ['events'], ['create', 'patch'])];

export function namespace(name: Text, labels: Labels, annotations?: Labels): ManifestTemplate {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, ...(annotations === undefined ? {} : { annotations }), labels },
  };
}

export function serviceAccount(name: Text, ns: Text, labels: Labels, annotations?: Labels): ManifestTemplate {
  return {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name, namespace: ns, ...(annotations === undefined ? {} : { annotations }), labels },
  };
}

export interface Subject {
  readonly name: Text;
  readonly namespace: Text;
}

export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}

const RBAC_VERSION = 'rbac.authorization.k8s.io/v1';

/** A ClusterRole and its binding to one ServiceAccount. */
export function clusterAccess(
  name: Text,
  subject: Subject,
  labels: Labels,
  rules: readonly unknown[],
): readonly ManifestTemplate[] {
  return [
    { apiVersion: RBAC_VERSION, kind: 'ClusterRole', metadata: { name, labels }, rules },
    {
      apiVersion: RBAC_VERSION,
      kind: 'ClusterRoleBinding',
      metadata: { name, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', ...subject }],
    },
  ];
}

/** A Role in `ns` and its binding to one ServiceAccount. */
export function namespacedAccess(
  name: Text,
  ns: Text,
  subject: Subject,
  labels: Labels,
  rules: readonly RbacRule[],
): readonly ManifestTemplate[] {
  return [
    { apiVersion: RBAC_VERSION, kind: 'Role', metadata: { name, namespace: ns, labels }, rules },
    {
      apiVersion: RBAC_VERSION,
      kind: 'RoleBinding',
      metadata: { name, namespace: ns, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', ...subject }],
    },
  ];
}
