/**
 * Writes `src/schema/gen/builtin-types.json`: the structure of the built-in kinds, taken from the models that
 * `@kubernetes/client-node` publishes. What the models lack (list keys, patch strategies, quantities) is in
 * `src/schema/builtin-markers.ts`.
 *
 *     node packages/embedded-cluster/tools/gen-schemas.ts
 *
 * Format: `types` maps `core.v1.PodSpec` to its fields; a field's code is `s` string, `b` boolean, `i32`, `i64`, `f64`,
 * `time`, `micro`, `bytes`, `ios` (int or string), `any`, `@type` for a struct, and `[]…` or `{}…` around one of these;
 * a field that is required ends in `!`. `kinds` maps `apps/v1/Deployment` to its type.
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

interface Attribute {
  readonly name: string;
  readonly baseName: string;
  readonly type: string;
  readonly format: string;
}

/** Kinds by package, in the order in which packages claim the structs that they reach: a shared struct belongs to the first. */
const ROOTS: readonly (readonly [pkg: string, group: string, version: string, models: readonly string[]])[] = [
  [
    'meta.v1',
    'meta',
    'v1',
    [
      'V1ObjectMeta',
      'V1ListMeta',
      'V1LabelSelector',
      'V1FieldSelectorRequirement',
      'V1Condition',
      'V1Status',
      'V1DeleteOptions',
      'V1APIGroup',
      'V1APIGroupList',
      'V1APIResourceList',
      'V1APIVersions',
      'V1WatchEvent',
    ],
  ],
  [
    'authentication.v1',
    'authentication.k8s.io',
    'v1',
    ['V1TokenReview', 'V1SelfSubjectReview', 'AuthenticationV1TokenRequest'],
  ],
  [
    'core.v1',
    '',
    'v1',
    [
      'V1Binding',
      'V1ComponentStatus',
      'V1ConfigMap',
      'V1Endpoints',
      'CoreV1Event',
      'V1LimitRange',
      'V1Namespace',
      'V1Node',
      'V1PersistentVolume',
      'V1PersistentVolumeClaim',
      'V1Pod',
      'V1PodTemplate',
      'V1ReplicationController',
      'V1ResourceQuota',
      'V1Secret',
      'V1Service',
      'V1ServiceAccount',
      'V1TopologySelectorTerm',
    ],
  ],
  ['autoscaling.v1', 'autoscaling', 'v1', ['V1Scale', 'V1HorizontalPodAutoscaler']],
  ['autoscaling.v2', 'autoscaling', 'v2', ['V2HorizontalPodAutoscaler']],
  ['apps.v1', 'apps', 'v1', ['V1ControllerRevision', 'V1DaemonSet', 'V1Deployment', 'V1ReplicaSet', 'V1StatefulSet']],
  ['batch.v1', 'batch', 'v1', ['V1CronJob', 'V1Job']],
  ['policy.v1', 'policy', 'v1', ['V1Eviction', 'V1PodDisruptionBudget']],
  ['rbac.v1', 'rbac.authorization.k8s.io', 'v1', ['V1ClusterRole', 'V1ClusterRoleBinding', 'V1Role', 'V1RoleBinding']],
  [
    'authorization.v1',
    'authorization.k8s.io',
    'v1',
    ['V1LocalSubjectAccessReview', 'V1SelfSubjectAccessReview', 'V1SelfSubjectRulesReview', 'V1SubjectAccessReview'],
  ],
  ['coordination.v1', 'coordination.k8s.io', 'v1', ['V1Lease']],
  ['discovery.v1', 'discovery.k8s.io', 'v1', ['V1EndpointSlice']],
  ['events.v1', 'events.k8s.io', 'v1', ['EventsV1Event']],
  [
    'networking.v1',
    'networking.k8s.io',
    'v1',
    ['V1Ingress', 'V1IngressClass', 'V1NetworkPolicy', 'V1IPAddress', 'V1ServiceCIDR'],
  ],
  [
    'storage.v1',
    'storage.k8s.io',
    'v1',
    ['V1CSIDriver', 'V1CSINode', 'V1CSIStorageCapacity', 'V1StorageClass', 'V1VolumeAttachment'],
  ],
  ['scheduling.v1', 'scheduling.k8s.io', 'v1', ['V1PriorityClass']],
  ['node.v1', 'node.k8s.io', 'v1', ['V1RuntimeClass']],
  ['certificates.v1', 'certificates.k8s.io', 'v1', ['V1CertificateSigningRequest']],
  [
    'admissionregistration.v1',
    'admissionregistration.k8s.io',
    'v1',
    [
      'V1MutatingWebhookConfiguration',
      'V1ValidatingWebhookConfiguration',
      'V1ValidatingAdmissionPolicy',
      'V1ValidatingAdmissionPolicyBinding',
    ],
  ],
  ['apiextensions.v1', 'apiextensions.k8s.io', 'v1', ['V1CustomResourceDefinition']],
  ['apiregistration.v1', 'apiregistration.k8s.io', 'v1', ['V1APIService']],
];

/** The models follow a newer Kubernetes than the 1.34 that we serve: these fields and structs came later. */
const NEWER: ReadonlySet<string> = new Set([
  'apiextensions.v1.CustomResourceDefinitionCondition.observedGeneration',
  'apiextensions.v1.CustomResourceDefinitionStatus.observedGeneration',
  'core.v1.NodeStatus.declaredFeatures',
  'core.v1.PodCertificateProjection.userAnnotations',
  'core.v1.PodSpec.schedulingGroup',
  'core.v1.PodStatus.allocatedResources',
  'core.v1.PodStatus.nodeAllocatableResourceClaimStatuses',
  'core.v1.PodStatus.resources',
  'core.v1.ResourceHealth.message',
  'core.v1.VolumeMountStatus.volumeStatus',
  'meta.v1.ListMeta.shardInfo',
  'storage.v1.CSIDriverSpec.preventPodSchedulingIfMissing',
  'storage.v1.CSIDriverSpec.serviceAccountTokenInSecrets',
]);

/** Fields whose being required differs between the client's Kubernetes and 1.34. */
const REQUIRED_IN_134: ReadonlySet<string> = new Set([
  'authentication.v1.TokenRequest.spec',
  'authentication.v1.TokenRequestSpec.audiences',
  'authentication.v1.TokenRequestStatus.expirationTimestamp',
  'authentication.v1.TokenRequestStatus.token',
  'batch.v1.PodFailurePolicyOnPodConditionsPattern.status',
  'discovery.v1.EndpointSlice.endpoints',
  'policy.v1.PodDisruptionBudgetStatus.currentHealthy',
  'policy.v1.PodDisruptionBudgetStatus.desiredHealthy',
  'policy.v1.PodDisruptionBudgetStatus.disruptionsAllowed',
  'policy.v1.PodDisruptionBudgetStatus.expectedPods',
  'rbac.v1.RoleRef.apiGroup',
  'scheduling.v1.PriorityClass.value',
]);
const OPTIONAL_IN_134: ReadonlySet<string> = new Set([
  'admissionregistration.v1.ValidatingAdmissionPolicyBinding.spec',
  'admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec.policyName',
  'admissionregistration.v1.ValidatingAdmissionPolicyBindingSpec.validationActions',
  'authentication.v1.TokenReviewSpec.token',
  'autoscaling.v1.HorizontalPodAutoscaler.spec',
  'autoscaling.v2.HorizontalPodAutoscaler.spec',
  'batch.v1.CronJob.spec',
  'networking.v1.IPAddress.spec',
]);

const models = new URL('models/', import.meta.resolve('@kubernetes/client-node').replace(/dist\/.*$/, 'dist/gen/'));
const owners = new Map<string, string>();
const types: Record<string, Record<string, string>> = {};
const kinds: Record<string, string> = {};

for (const [pkg, group, version, names] of ROOTS) {
  for (const name of names) {
    await claim(name, pkg);
    const kind = bare(name);
    if (kind === 'TopologySelectorTerm') continue;
    if (group !== 'meta') {
      kinds[`${group}/${version}/${kind}`] = `${pkg}.${kind}`;
      const list = `${name}List`;
      if (await exists(list)) {
        await claim(list, pkg);
        kinds[`${group}/${version}/${kind}List`] = `${pkg}.${kind}List`;
      }
    } else if (kind === 'Status' || kind === 'DeleteOptions') {
      kinds[`/v1/${kind}`] = `${pkg}.${kind}`;
    }
  }
}

const folder = new URL('../src/schema/gen/', import.meta.url);
await mkdir(folder, { recursive: true });
const file = new URL('builtin-types.json', folder);
await writeFile(
  file,
  `${JSON.stringify({ types: sorted(types), kinds: sorted(kinds) }, undefined, 0).replaceAll('},"', '},\n"')}\n`,
);
process.stderr.write(
  `${fileURLToPath(file)}: ${Object.keys(types).length} types, ${Object.keys(kinds).length} kinds\n`,
);

async function claim(model: string, pkg: string): Promise<void> {
  if (owners.has(model)) return;
  owners.set(model, pkg);
  const id = `${pkg}.${bare(model)}`;
  const fields: Record<string, string> = {};
  types[id] = fields;
  const attributes = await attributesOf(model);
  const required = await requiredOf(model);
  for (const attribute of attributes) {
    const field = `${id}.${attribute.baseName}`;
    if (NEWER.has(field)) continue;
    for (const reference of referencesOf(attribute.type)) await claim(reference, pkg);
    const isRequired = (required.has(attribute.name) || REQUIRED_IN_134.has(field)) && !OPTIONAL_IN_134.has(field);
    fields[attribute.baseName] = codeOf(attribute.type, attribute.format) + (isRequired ? '!' : '');
  }
}

async function attributesOf(model: string): Promise<readonly Attribute[]> {
  const module = (await import(new URL(`${model}.js`, models).href)) as Record<
    string,
    { getAttributeTypeMap(): Attribute[] }
  >;
  const found = module[model];
  if (found === undefined)
    throw new Error(`model ${model} is not exported by its file; adapt ROOTS to the client's version`);
  return found.getAttributeTypeMap();
}

/** The declarations tell which fields are required: those without a question mark. */
async function requiredOf(model: string): Promise<ReadonlySet<string>> {
  const text = await readFile(new URL(`${model}.d.ts`, models), 'utf8');
  return new Set([...text.matchAll(/^ {4}'([^']+)': /gm)].map((match) => match[1] ?? ''));
}

async function exists(model: string): Promise<boolean> {
  return readFile(new URL(`${model}.d.ts`, models)).then(
    () => true,
    () => false,
  );
}

function referencesOf(type: string): readonly string[] {
  return [...type.matchAll(/\b(?:[A-Z][a-z]+)?V\d\w+/g)]
    .map((match) => match[0])
    .filter((name) => name !== 'V1MicroTime');
}

function codeOf(type: string, format: string): string {
  const list = /^Array<(.*)>$/.exec(type);
  if (list) return `[]${codeOf(list[1] ?? '', format)}`;
  const map = /^\{ \[key: string\]: (.*); \}$/.exec(type);
  if (map) return `{}${codeOf(map[1] ?? '', format)}`;
  if (type === 'string') return format === 'byte' ? 'bytes' : 's';
  if (type === 'boolean') return 'b';
  if (type === 'number') return { int32: 'i32', int64: 'i64' }[format] ?? 'f64';
  if (type === 'Date') return 'time';
  if (type === 'V1MicroTime') return 'micro';
  if (type === 'IntOrString') return 'ios';
  if (type === 'any') return 'any';
  const owner = owners.get(type);
  if (owner === undefined) throw new Error(`unknown type ${type}: teach codeOf about it`);
  return `@${owner}.${bare(type)}`;
}

function bare(model: string): string {
  return model.replace(/^(?:[A-Z][a-z]+)?V\d(?:(?:alpha|beta)\d)?/, '');
}

function sorted<T>(record: Record<string, T>): Record<string, T> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1)));
}
