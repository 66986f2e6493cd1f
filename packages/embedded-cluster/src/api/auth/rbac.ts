/**
 * Role-based access control: rules of roles through bindings to users and groups. Bindings and roles are read from
 * the store; an index over them is rebuilt on the first question after a change.
 */
import { asArray, asObject, asString } from '../json.ts';
import type { AuthorizationAttributes, Authorizer } from '../operations.ts';
import type { Store } from '../store.ts';
import type { KubeObject, UserInfo } from '../types.ts';

export const MASTERS_GROUP = 'system:masters';
const RBAC = 'rbac.authorization.k8s.io';
export const ROLE_BUCKETS = {
  roles: `${RBAC}/roles`,
  clusterRoles: `${RBAC}/clusterroles`,
  roleBindings: `${RBAC}/rolebindings`,
  clusterRoleBindings: `${RBAC}/clusterrolebindings`,
} as const;

/** `rbacv1.PolicyRule`, with absent lists empty. */
export interface PolicyRule {
  readonly verbs: readonly string[];
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly resourceNames: readonly string[];
  readonly nonResourceURLs: readonly string[];
}

interface Grant {
  readonly subjects: readonly Readonly<Record<string, unknown>>[];
  readonly rules: readonly PolicyRule[];
  readonly bindingNamespace: string | undefined;
  /** Set when the role doesn't exist, as the denial says so. */
  readonly missingRole: string | undefined;
}

export interface PathAttributes {
  readonly user: UserInfo;
  readonly verb: string;
  readonly path: string;
}

export class RbacAuthorizer implements Authorizer {
  readonly #store: Store;
  #clusterGrants: readonly Grant[] | undefined;
  #namespaceGrants = new Map<string, Grant[]>();

  constructor(store: Store) {
    this.#store = store;
    for (const bucket of Object.values(ROLE_BUCKETS)) store.subscribe(bucket, () => (this.#clusterGrants = undefined));
  }

  deny(attributes: AuthorizationAttributes): string | undefined {
    const { user } = attributes;
    if (user.groups.includes(MASTERS_GROUP)) return undefined;
    const missing: string[] = [];
    for (const grant of this.#grantsFor(attributes.namespace)) {
      if (!grant.subjects.some((subject) => matchesSubject(subject, user, grant.bindingNamespace))) continue;
      if (grant.missingRole !== undefined) missing.push(`${grant.missingRole} not found`);
      if (grant.rules.some((rule) => matchesResource(rule, attributes))) return undefined;
    }
    return missing.length === 0 ? '' : `RBAC: ${missing.length === 1 ? missing[0] : `[${missing.join(', ')}]`}`;
  }

  allowsPath(attributes: PathAttributes): boolean {
    if (attributes.user.groups.includes(MASTERS_GROUP)) return true;
    return this.#grantsFor(undefined).some(
      (grant) =>
        grant.subjects.some((subject) => matchesSubject(subject, attributes.user, undefined)) &&
        grant.rules.some(
          (rule) =>
            has(rule.verbs, attributes.verb) && rule.nonResourceURLs.some((url) => matchesUrl(url, attributes.path)),
        ),
    );
  }

  /** All rules that hold for a user in a namespace: SelfSubjectRulesReview, and what a role's author may grant. */
  rulesFor(user: UserInfo, namespace: string | undefined): readonly PolicyRule[] {
    return this.#grantsFor(namespace)
      .filter((grant) => grant.subjects.some((subject) => matchesSubject(subject, user, grant.bindingNamespace)))
      .flatMap((grant) => grant.rules);
  }

  #grantsFor(namespace: string | undefined): readonly Grant[] {
    const cluster = (this.#clusterGrants ??= this.#index());
    const local = namespace === undefined ? undefined : this.#namespaceGrants.get(namespace);
    return local === undefined ? cluster : [...cluster, ...local];
  }

  #index(): readonly Grant[] {
    this.#namespaceGrants = new Map();
    for (const [, binding] of this.#store.iterate(ROLE_BUCKETS.roleBindings)) {
      const namespace = binding.metadata.namespace ?? '';
      const grants = this.#namespaceGrants.get(namespace) ?? [];
      grants.push(this.#grant(binding, namespace));
      this.#namespaceGrants.set(namespace, grants);
    }
    return [...this.#store.iterate(ROLE_BUCKETS.clusterRoleBindings)].map(([, binding]) =>
      this.#grant(binding, undefined),
    );
  }

  #grant(binding: KubeObject, namespace: string | undefined): Grant {
    const ref = asObject(binding['roleRef']);
    const name = asString(ref?.['name']) ?? '';
    const local = ref?.['kind'] === 'Role';
    const role = local
      ? this.#store.get(ROLE_BUCKETS.roles, `${namespace}/${name}`)
      : this.#store.get(ROLE_BUCKETS.clusterRoles, name);
    return {
      subjects: asArray(binding['subjects']).map((subject) => asObject(subject) ?? {}),
      rules: role === undefined ? [] : rulesOf(role),
      bindingNamespace: namespace,
      missingRole: role === undefined ? `${local ? 'role' : 'clusterrole'}.${RBAC} ${JSON.stringify(name)}` : undefined,
    };
  }
}

export function rulesOf(role: KubeObject): readonly PolicyRule[] {
  return asArray(role['rules']).map((entry) => {
    const rule = asObject(entry) ?? {};
    return {
      verbs: strings(rule['verbs']),
      apiGroups: strings(rule['apiGroups']),
      resources: strings(rule['resources']),
      resourceNames: strings(rule['resourceNames']),
      nonResourceURLs: strings(rule['nonResourceURLs']),
    };
  });
}

function strings(value: unknown): readonly string[] {
  return asArray(value).filter((item) => typeof item === 'string');
}

function has(list: readonly string[], value: string): boolean {
  return list.includes(value) || list.includes('*');
}

function matchesResource(rule: PolicyRule, attributes: AuthorizationAttributes): boolean {
  const { verb, group, plural, subresource, name } = attributes;
  if (!has(rule.verbs, verb) || !has(rule.apiGroups, group)) return false;
  if (rule.resourceNames.length > 0 && !rule.resourceNames.includes(name)) return false;
  const full = subresource === undefined || subresource === '' ? plural : `${plural}/${subresource}`;
  return rule.resources.some((wanted) => {
    if (wanted === '*' || wanted === full) return true;
    return subresource !== undefined && wanted === `*/${subresource}`;
  });
}

function matchesUrl(pattern: string, path: string): boolean {
  if (pattern === '*' || pattern === path) return true;
  return pattern.endsWith('*') && path.startsWith(pattern.slice(0, -1));
}

function matchesSubject(
  subject: Readonly<Record<string, unknown>>,
  user: UserInfo,
  bindingNamespace: string | undefined,
): boolean {
  const name = asString(subject['name']) ?? '';
  switch (subject['kind']) {
    case 'User':
      return user.username === name;
    case 'Group':
      return user.groups.includes(name);
    case 'ServiceAccount': {
      const namespace = asString(subject['namespace']) ?? bindingNamespace ?? '';
      return user.username === `system:serviceaccount:${namespace}:${name}`;
    }
    default:
      return false;
  }
}
