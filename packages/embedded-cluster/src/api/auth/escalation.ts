/**
 * Nobody can grant more than they hold: roles may only contain rules that their author has, bindings may only name roles whose rules
 * the author has, unless the verbs `escalate` or `bind` allow it (Kubernetes documentation, "Using RBAC Authorization").
 */
import type { AdmissionPlugin } from '../admission.ts';
import { asObject, asString, equalJson } from '../json.ts';
import type { AdmissionAttributes } from '../machinery.ts';
import { failure, forbidden } from '../status-error.ts';
import type { Store } from '../store.ts';
import type { KubeObject, UserInfo } from '../types.ts';
import { MASTERS_GROUP, ROLE_BUCKETS, rulesOf, type PolicyRule, type RbacAuthorizer } from './rbac.ts';

const ROLES: ReadonlySet<string> = new Set([ROLE_BUCKETS.roles, ROLE_BUCKETS.clusterRoles]);
const BINDINGS: ReadonlySet<string> = new Set([ROLE_BUCKETS.roleBindings, ROLE_BUCKETS.clusterRoleBindings]);

export class EscalationCheck implements AdmissionPlugin {
  readonly name = 'RbacEscalation';
  readonly #authorizer: RbacAuthorizer;
  readonly #store: Store;

  constructor(authorizer: RbacAuthorizer, store: Store) {
    this.#authorizer = authorizer;
    this.#store = store;
  }

  mutate(attributes: AdmissionAttributes): void {
    const { resource, context, object, oldObject, namespace, name } = attributes;
    const { user } = context;
    if (object === undefined || user.groups.includes(MASTERS_GROUP)) return;
    const scope = resource.namespaced ? namespace : undefined;
    if (ROLES.has(resource.bucket)) {
      if (oldObject !== undefined && equalJson(oldObject['rules'], object['rules'])) return;
      if (this.#allows(attributes, 'escalate', resource.plural, name, scope)) return;
      this.#checkRules(attributes, rulesOf(object), scope);
    } else if (BINDINGS.has(resource.bucket)) {
      this.#checkBinding(attributes, object, scope);
    }
  }

  #checkBinding(attributes: AdmissionAttributes, binding: KubeObject, scope: string | undefined): void {
    const { oldObject } = attributes;
    if (
      oldObject !== undefined &&
      equalJson(oldObject['roleRef'], binding['roleRef']) &&
      equalJson(oldObject['subjects'], binding['subjects'])
    )
      return;
    const ref = asObject(binding['roleRef']);
    const kind = asString(ref?.['kind']) ?? '';
    const name = asString(ref?.['name']) ?? '';
    if (kind !== 'Role' && kind !== 'ClusterRole')
      throw failure(500, undefined, `unsupported role reference kind: ${JSON.stringify(kind)}`);
    if (this.#allows(attributes, 'bind', kind === 'Role' ? 'roles' : 'clusterroles', name, scope)) return;
    const role =
      kind === 'Role'
        ? this.#store.get(ROLE_BUCKETS.roles, `${scope}/${name}`)
        : this.#store.get(ROLE_BUCKETS.clusterRoles, name);
    // A role that doesn't exist grants nothing yet, and whoever creates it is checked then; only those who may bind it name it now.
    this.#checkRules(attributes, role === undefined ? [] : rulesOf(role), scope);
  }

  #checkRules(attributes: AdmissionAttributes, wanted: readonly PolicyRule[], scope: string | undefined): void {
    const { user } = attributes.context;
    const held = this.#authorizer.rulesFor(user, scope);
    const missing = wanted.flatMap(atoms).filter((atom) => !held.some((rule) => covers(rule, atom)));
    if (missing.length === 0) return;
    const groups = user.groups.map((group) => JSON.stringify(group)).join(' ');
    const lines = [...new Set(missing.map(formatRule))].sort().join('\n');
    const why = `user ${JSON.stringify(user.username)} (groups=[${groups}]) is attempting to grant RBAC permissions not currently held:\n${lines}`;
    throw forbidden(attributes.resource, attributes.name, why);
  }

  #allows(
    attributes: AdmissionAttributes,
    verb: string,
    plural: string,
    name: string,
    namespace: string | undefined,
  ): boolean {
    const user: UserInfo = attributes.context.user;
    const { group, version } = attributes.resource;
    // A ClusterRole that a RoleBinding names is asked for in the binding's namespace.
    return (
      this.#authorizer.deny({ user, verb, group, version, plural, subresource: undefined, namespace, name }) ===
      undefined
    );
  }
}

/** The rule as rules of one verb, group, resource and name each. */
function atoms(rule: PolicyRule): readonly PolicyRule[] {
  const none = { apiGroups: [], resources: [], resourceNames: [], nonResourceURLs: [] };
  const urls = rule.verbs.flatMap((verb) =>
    rule.nonResourceURLs.map((url) => ({ ...none, verbs: [verb], nonResourceURLs: [url] })),
  );
  const names = rule.resourceNames.length === 0 ? [[]] : rule.resourceNames.map((name) => [name]);
  const resources = rule.verbs.flatMap((verb) =>
    rule.apiGroups.flatMap((group) =>
      rule.resources.flatMap((resource) =>
        names.map((resourceNames) => ({
          ...none,
          verbs: [verb],
          apiGroups: [group],
          resources: [resource],
          resourceNames,
        })),
      ),
    ),
  );
  return [...urls, ...resources];
}

function covers(held: PolicyRule, atom: PolicyRule): boolean {
  const has = (list: readonly string[], value: string | undefined): boolean =>
    value === undefined || list.includes('*') || list.includes(value);
  if (!has(held.verbs, atom.verbs[0])) return false;
  const [url] = atom.nonResourceURLs;
  if (url !== undefined)
    return held.nonResourceURLs.some(
      (one) => one === '*' || one === url || (one.endsWith('*') && url.startsWith(one.slice(0, -1))),
    );
  if (!has(held.apiGroups, atom.apiGroups[0])) return false;
  const resource = atom.resources[0] ?? '';
  const subresource = resource.includes('/') ? `*/${resource.split('/')[1]}` : undefined;
  if (!has(held.resources, resource) && !(subresource !== undefined && held.resources.includes(subresource)))
    return false;
  return (
    held.resourceNames.length === 0 ||
    (atom.resourceNames[0] !== undefined && held.resourceNames.includes(atom.resourceNames[0]))
  );
}

function formatRule(rule: PolicyRule): string {
  const list = (values: readonly string[]): string => `[${values.map((value) => JSON.stringify(value)).join(' ')}]`;
  const parts: string[] = [];
  if (rule.nonResourceURLs.length > 0) parts.push(`NonResourceURLs:${list(rule.nonResourceURLs)}`);
  if (rule.resources.length > 0) parts.push(`APIGroups:${list(rule.apiGroups)}`, `Resources:${list(rule.resources)}`);
  if (rule.resourceNames.length > 0) parts.push(`ResourceNames:${list(rule.resourceNames)}`);
  parts.push(`Verbs:${list(rule.verbs)}`);
  return `{${parts.join(', ')}}`;
}
