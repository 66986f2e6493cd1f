/** The shape of the objects that the CLI prints, and the few helpers that every manifest needs. */

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
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

export const READ = ['get', 'list', 'watch'] as const;

export function rule(
  group: string,
  resources: readonly string[],
  verbs: readonly string[],
  names?: readonly string[],
): RbacRule {
  return { apiGroups: [group], resources, ...(names === undefined ? {} : { resourceNames: names }), verbs };
}

/** Recording an Event: created once, then counted up by patches. Both APIs, as either may be what the recorder speaks. */
export const EVENT_RULES: readonly RbacRule[] = [
  rule('', ['events'], ['create', 'patch']),
  rule('events.k8s.io', ['events'], ['create', 'patch']),
];

export function namespace(
  name: string,
  labels: Readonly<Record<string, string>>,
  annotations?: Readonly<Record<string, string>>,
): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Namespace',
    metadata: { name, ...(annotations === undefined ? {} : { annotations }), labels },
  };
}

export function serviceAccount(name: string, ns: string, labels: Readonly<Record<string, string>>): Manifest {
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name, namespace: ns, labels } };
}

/** A ClusterRole and its binding to one ServiceAccount. */
export function clusterAccess(
  name: string,
  subject: { readonly name: string; readonly namespace: string },
  labels: Readonly<Record<string, string>>,
  rules: readonly RbacRule[],
): readonly Manifest[] {
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'ClusterRole', metadata: { name, labels }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRoleBinding',
      metadata: { name, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', ...subject }],
    },
  ];
}

/** A Role in `ns` and its binding to one ServiceAccount. */
export function namespacedAccess(
  name: string,
  ns: string,
  subject: { readonly name: string; readonly namespace: string },
  labels: Readonly<Record<string, string>>,
  rules: readonly RbacRule[],
): readonly Manifest[] {
  return [
    { apiVersion: 'rbac.authorization.k8s.io/v1', kind: 'Role', metadata: { name, namespace: ns, labels }, rules },
    {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'RoleBinding',
      metadata: { name, namespace: ns, labels },
      roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
      subjects: [{ kind: 'ServiceAccount', ...subject }],
    },
  ];
}

/** What every container of ours is allowed: nothing that it does not need. */
export function restrictedSecurity(uid: number): Readonly<Record<string, unknown>> {
  return {
    allowPrivilegeEscalation: false,
    capabilities: { drop: ['ALL'] },
    readOnlyRootFilesystem: true,
    runAsNonRoot: true,
    runAsUser: uid,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

export function base64(text: string): string {
  return Buffer.from(text, 'utf8').toString('base64');
}
