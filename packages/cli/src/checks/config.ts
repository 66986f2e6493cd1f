/** Category `linkerd-config`: is every object of the installation there, with the rights that it grants? */
import {
  CUSTOM_RESOURCE_DEFINITIONS,
  dynamicKind,
  MUTATING_WEBHOOKS,
  NAMESPACES,
  SERVICE_ACCOUNTS,
  VALIDATING_WEBHOOKS,
} from '@mesh/kube';
import type { ResourceKind, UnknownObject } from '@mesh/kube';
import { crdManifests } from '../manifests/crds.ts';
import { SkipCheck } from './check.ts';
import type { Check, CheckCategory } from './check.ts';
import { missingRights } from './rbac.ts';
import type { RbacRule } from './rbac.ts';
import type { CheckState } from './state.ts';

const RBAC = 'rbac.authorization.k8s.io/v1';
const CLUSTER_ROLES = dynamicKind(RBAC, 'clusterroles', 'ClusterRole', false);
const ROLES = dynamicKind(RBAC, 'roles', 'Role', true);
const CLUSTER_ROLE_BINDINGS = dynamicKind(RBAC, 'clusterrolebindings', 'ClusterRoleBinding', false);
const ROLE_BINDINGS = dynamicKind(RBAC, 'rolebindings', 'RoleBinding', true);

export function configCategory(state: CheckState): CheckCategory {
  return {
    name: 'linkerd-config',
    checks: [
      exists(state, NAMESPACES, 'Namespace', 'l5d-existence-ns'),
      exists(state, CLUSTER_ROLES, 'ClusterRoles', 'l5d-existence-cr', sameRules),
      exists(state, CLUSTER_ROLE_BINDINGS, 'ClusterRoleBindings', 'l5d-existence-crb', sameBinding),
      exists(state, ROLES, 'Roles', 'l5d-existence-role', sameRules),
      exists(state, ROLE_BINDINGS, 'RoleBindings', 'l5d-existence-rb', sameBinding),
      exists(state, SERVICE_ACCOUNTS, 'ServiceAccounts', 'l5d-existence-sa'),
      crdCheck(state),
      exists(state, MUTATING_WEBHOOKS, 'MutatingWebhookConfigurations', 'l5d-existence-mwc'),
      exists(state, VALIDATING_WEBHOOKS, 'ValidatingWebhookConfigurations', 'l5d-existence-vwc'),
    ],
  };
}

/** `mesh check --crds`. */
export function crdCategory(state: CheckState): CheckCategory {
  return { name: 'linkerd-crd', checks: [crdCheck(state)] };
}

function crdCheck(state: CheckState): Check {
  return {
    description: 'control plane CustomResourceDefinitions exist',
    hint: 'l5d-existence-crd',
    fatal: true,
    run: async () => {
      const client = await state.client();
      const problems: string[] = [];
      for (const crd of crdManifests()) {
        const name = crd.metadata.name ?? '';
        const found = await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name });
        if (found === undefined) problems.push(`CustomResourceDefinition ${name} is missing`);
        else {
          const served = found.spec.versions.filter((version) => version.served).map((version) => version.name);
          const wanted = servedVersions(crd['spec']);
          const lost = wanted.filter((version) => !served.includes(version));
          if (lost.length > 0) problems.push(`CustomResourceDefinition ${name} does not serve ${lost.join(', ')}`);
        }
      }
      if (problems.length > 0) throw new Error(`${problems.join('\n')}\napply the output of mesh install --crds`);
    },
  };
}

function servedVersions(spec: unknown): readonly string[] {
  const { versions } = spec as { readonly versions: readonly { readonly name: string; readonly served: boolean }[] };
  return versions.filter((version) => version.served).map((version) => version.name);
}

/** Every object of the kind that the installation printed is there; `compare` says what is wrong with one that is. */
function exists(
  state: CheckState,
  kind: ResourceKind,
  plural: string,
  hint: string,
  compare: (wanted: UnknownObject, found: UnknownObject) => readonly string[] = () => [],
): Check {
  return {
    description: `control plane ${plural} exist${plural === 'Namespace' ? 's' : ''}`,
    hint,
    run: async () => {
      const client = await state.client();
      const wanted = await state.expectedObjects(kind.kind);
      if (wanted.length === 0) throw new SkipCheck();
      const problems: string[] = [];
      for (const object of wanted) {
        const { name = '', namespace } = object.metadata;
        const found = await client.get(kind, namespace === undefined ? { name } : { namespace, name });
        const label = `${kind.kind} ${namespace === undefined ? '' : `${namespace}/`}${name}`;
        if (found === undefined) problems.push(`${label} is missing`);
        else
          problems.push(
            ...compare(object as UnknownObject, found as UnknownObject).map((problem) => `${label}: ${problem}`),
          );
      }
      if (problems.length > 0) throw new Error(problems.join('\n'));
    },
  };
}

function sameRules(wanted: UnknownObject, found: UnknownObject): readonly string[] {
  const rules = (object: UnknownObject): readonly RbacRule[] => (object['rules'] ?? []) as readonly RbacRule[];
  return missingRights(rules(wanted), rules(found)).map((right) => `may not ${right}`);
}

interface Binding {
  readonly roleRef?: { readonly kind?: string; readonly name?: string };
  readonly subjects?: readonly { readonly kind?: string; readonly name?: string; readonly namespace?: string }[];
}

function sameBinding(wanted: UnknownObject, found: UnknownObject): readonly string[] {
  const want = wanted as Binding;
  const have = found as Binding;
  const role = (binding: Binding): string => `${binding.roleRef?.kind ?? ''} ${binding.roleRef?.name ?? ''}`;
  const subjects = (binding: Binding): readonly string[] =>
    (binding.subjects ?? []).map(({ kind = '', namespace = '', name = '' }) => `${kind} ${namespace}/${name}`);
  const lost = subjects(want).filter((subject) => !subjects(have).includes(subject));
  return [
    ...(role(want) === role(have) ? [] : [`binds ${role(have)} instead of ${role(want)}`]),
    ...lost.map((subject) => `does not name ${subject}`),
  ];
}
