/** Validation of the remaining built-in kinds: configuration, RBAC, webhooks, leases, claims, nodes, events. */
import { forbidden, invalid, notSupported, required, tooLong, type FieldError } from '../field-error.ts';
import { equalJson, isObject, listAt, objectAt, type JsonObject } from '../json.ts';
import { cidrErrors, configKeyErrors, dnsSubdomainErrors } from '../names.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { text, validateLabelSelector } from './metadata.ts';
import { validateTaints } from './pod-spec.ts';

const DATA_BYTES_MAX = 1024 * 1024;

export function validateConfigMap(configMap: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const data = objectAt(configMap, 'data');
  const binary = objectAt(configMap, 'binaryData');
  let bytes = 0;
  for (const key of Object.keys(data)) {
    errors.push(...configKeyErrors(key).map((detail) => invalid(`data[${key}]`, key, detail)));
    if (Object.hasOwn(binary, key)) errors.push(invalid(`data[${key}]`, key, 'duplicate of key present in binaryData'));
    bytes += Buffer.byteLength(text(data[key]));
  }
  for (const key of Object.keys(binary)) {
    errors.push(...configKeyErrors(key).map((detail) => invalid(`binaryData[${key}]`, key, detail)));
    bytes += Buffer.byteLength(text(binary[key]), 'base64');
  }
  if (bytes > DATA_BYTES_MAX) errors.push(tooLong('', DATA_BYTES_MAX));
  return errors;
}

/** A ConfigMap or Secret that was declared immutable stays so, with its data. */
export function validateImmutableData(object: JsonObject, old: JsonObject): FieldError[] {
  if (old['immutable'] !== true) return [];
  const errors: FieldError[] = [];
  if (object['immutable'] !== true) errors.push(forbidden('immutable', 'field is immutable when `immutable` is set'));
  for (const key of ['data', 'binaryData'])
    if (!equalJson(object[key], old[key])) errors.push(forbidden(key, 'field is immutable when `immutable` is set'));
  return errors;
}

const SECRET_KEYS: Readonly<Record<string, readonly string[]>> = {
  'kubernetes.io/dockercfg': ['.dockercfg'],
  'kubernetes.io/dockerconfigjson': ['.dockerconfigjson'],
  'kubernetes.io/ssh-auth': ['ssh-privatekey'],
  'kubernetes.io/tls': ['tls.crt', 'tls.key'],
};

export function validateSecret(secret: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const data = objectAt(secret, 'data');
  let bytes = 0;
  for (const key of Object.keys(data)) {
    errors.push(...configKeyErrors(key).map((detail) => invalid(`data[${key}]`, key, detail)));
    bytes += Buffer.byteLength(text(data[key]), 'base64');
  }
  if (bytes > DATA_BYTES_MAX) errors.push(tooLong('data', DATA_BYTES_MAX));
  const type = text(secret['type']);
  if (
    type === 'kubernetes.io/service-account-token' &&
    text(objectAt(secret, 'metadata', 'annotations')['kubernetes.io/service-account.name']) === ''
  ) {
    errors.push(required('metadata.annotations[kubernetes.io/service-account.name]'));
  }
  if (type === 'kubernetes.io/basic-auth' && data['username'] === undefined && data['password'] === undefined)
    errors.push(required('data[username]'), required('data[password]'));
  for (const key of SECRET_KEYS[type] ?? []) if (data[key] === undefined) errors.push(required(`data[${key}]`));
  return errors;
}

export function validateSecretUpdate(secret: JsonObject, old: JsonObject): FieldError[] {
  const type = secret['type'];
  return [
    ...(type === old['type'] ? [] : [invalid('type', type, 'field is immutable')]),
    ...validateImmutableData(secret, old),
  ];
}

export function validateLease(lease: JsonObject): FieldError[] {
  const spec = objectAt(lease, 'spec');
  const errors: FieldError[] = [];
  const { leaseDurationSeconds: seconds, leaseTransitions: transitions } = spec;
  if (typeof seconds === 'number' && seconds <= 0)
    errors.push(invalid('spec.leaseDurationSeconds', seconds, 'must be greater than 0'));
  if (typeof transitions === 'number' && transitions < 0)
    errors.push(invalid('spec.leaseTransitions', transitions, 'must be greater than or equal to 0'));
  return errors;
}

/** Rules of a Role (`isNamespaced`) or ClusterRole. */
export function validateRules(role: JsonObject, isNamespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  objectsAt(role, 'rules').forEach((rule, index) => {
    const path = `rules[${index}]`;
    if (listAt(rule, 'verbs').length === 0)
      errors.push(required(`${path}.verbs`, 'verbs must contain at least one value'));
    const urls = listAt(rule, 'nonResourceURLs');
    if (urls.length > 0) {
      if (isNamespaced)
        errors.push(invalid(`${path}.nonResourceURLs`, urls, 'namespaced rules cannot apply to non-resource URLs'));
      if (['apiGroups', 'resources', 'resourceNames'].some((key) => listAt(rule, key).length > 0)) {
        errors.push(
          invalid(
            `${path}.nonResourceURLs`,
            urls,
            'rules cannot apply to both regular resources and non-resource URLs',
          ),
        );
      }
      return;
    }
    if (listAt(rule, 'apiGroups').length === 0)
      errors.push(required(`${path}.apiGroups`, 'resource rules must supply at least one api group'));
    if (listAt(rule, 'resources').length === 0)
      errors.push(required(`${path}.resources`, 'resource rules must supply at least one resource'));
  });
  return errors;
}

const RBAC_GROUP = 'rbac.authorization.k8s.io';

/** A RoleBinding (`isNamespaced`) or ClusterRoleBinding. */
export function validateBinding(binding: JsonObject, isNamespaced: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const reference = objectAt(binding, 'roleRef');
  if (reference['apiGroup'] !== RBAC_GROUP)
    errors.push(notSupported('roleRef.apiGroup', reference['apiGroup'], [RBAC_GROUP]));
  const kinds = isNamespaced ? ['Role', 'ClusterRole'] : ['ClusterRole'];
  if (!kinds.includes(text(reference['kind'])))
    errors.push(notSupported('roleRef.kind', text(reference['kind']), kinds));
  if (text(reference['name']) === '') errors.push(required('roleRef.name'));
  objectsAt(binding, 'subjects').forEach((subject, index) => {
    const path = `subjects[${index}]`;
    const name = text(subject['name']);
    if (name === '') errors.push(required(`${path}.name`));
    switch (subject['kind']) {
      case 'ServiceAccount':
        if (name !== '')
          errors.push(...dnsSubdomainErrors(name).map((detail) => invalid(`${path}.name`, name, detail)));
        if (text(subject['apiGroup']) !== '') errors.push(notSupported(`${path}.apiGroup`, subject['apiGroup'], ['']));
        if (!isNamespaced && text(subject['namespace']) === '') errors.push(required(`${path}.namespace`));
        break;
      case 'User':
      case 'Group':
        if (subject['apiGroup'] !== RBAC_GROUP)
          errors.push(notSupported(`${path}.apiGroup`, text(subject['apiGroup']), [RBAC_GROUP]));
        break;
      default:
        errors.push(notSupported(`${path}.kind`, text(subject['kind']), ['ServiceAccount', 'User', 'Group']));
    }
  });
  return errors;
}

export function validateBindingUpdate(binding: JsonObject, old: JsonObject): FieldError[] {
  const reference = objectAt(binding, 'roleRef');
  if (equalJson(reference, old['roleRef'])) return [];
  const shown = { APIGroup: text(reference['apiGroup']), Kind: text(reference['kind']), Name: text(reference['name']) };
  return [invalid('roleRef', shown, 'cannot change roleRef')];
}

const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

/** Both kinds of webhook configurations. */
export function validateWebhooks(configuration: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  objectsAt(configuration, 'webhooks').forEach((webhook, index) => {
    const path = `webhooks[${index}]`;
    const name = text(webhook['name']);
    errors.push(...validateWebhook(webhook, name, path));
    if (listAt(webhook, 'admissionReviewVersions').length === 0)
      errors.push(required(`${path}.admissionReviewVersions`, 'must specify one of v1, v1beta1'));
    else if (!listAt(webhook, 'admissionReviewVersions').some((version) => version === 'v1' || version === 'v1beta1')) {
      errors.push(
        invalid(
          `${path}.admissionReviewVersions`,
          webhook['admissionReviewVersions'],
          'must include at least one of v1, v1beta1',
        ),
      );
    }
    if (names.has(name)) errors.push({ kind: 'duplicate', field: `${path}.name`, value: name, detail: '' });
    names.add(name);
  });
  return errors;
}

function validateWebhook(webhook: JsonObject, name: string, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  else if (dnsSubdomainErrors(name).length > 0)
    errors.push(...dnsSubdomainErrors(name).map((detail) => invalid(`${path}.name`, name, detail)));
  else if (name.split('.').length < 3)
    errors.push(invalid(`${path}.name`, name, 'should be a domain with at least three segments separated by dots'));
  objectsAt(webhook, 'rules').forEach((rule, index) => {
    const at = `${path}.rules[${index}]`;
    const operations = listAt(rule, 'operations');
    if (operations.length === 0) errors.push(required(`${at}.operations`));
    operations.forEach((operation, place) => {
      if (!OPERATIONS.includes(text(operation)))
        errors.push(notSupported(`${at}.operations[${place}]`, operation, OPERATIONS));
    });
    for (const key of ['apiGroups', 'apiVersions', 'resources'])
      if (listAt(rule, key).length === 0) errors.push(required(`${at}.${key}`));
  });
  const oneOf = (key: string, allowed: readonly string[]): void => {
    const value = webhook[key];
    if (value !== undefined && !allowed.includes(text(value)))
      errors.push(notSupported(`${path}.${key}`, value, allowed));
  };
  oneOf('failurePolicy', ['Fail', 'Ignore']);
  oneOf('matchPolicy', ['Equivalent', 'Exact']);
  if (text(webhook['sideEffects']) === '')
    errors.push(required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun'));
  else oneOf('sideEffects', ['None', 'NoneOnDryRun']);
  oneOf('reinvocationPolicy', ['IfNeeded', 'Never']);
  const timeout = webhook['timeoutSeconds'];
  if (typeof timeout === 'number' && (timeout < 1 || timeout > 30))
    errors.push(invalid(`${path}.timeoutSeconds`, timeout, 'the timeout value must be between 1 and 30 seconds'));
  errors.push(
    ...validateLabelSelector(webhook['namespaceSelector'], `${path}.namespaceSelector`),
    ...validateLabelSelector(webhook['objectSelector'], `${path}.objectSelector`),
  );
  return [...errors, ...validateClientConfig(objectAt(webhook, 'clientConfig'), `${path}.clientConfig`)];
}

function validateClientConfig(config: JsonObject, path: string): FieldError[] {
  const { url, service } = config;
  if ((url === undefined) === !isObject(service)) return [required(path, 'exactly one of url or service is required')];
  if (isObject(service)) {
    const errors: FieldError[] = [];
    if (text(service['name']) === '') errors.push(required(`${path}.service.name`, 'service name is required'));
    if (text(service['namespace']) === '')
      errors.push(required(`${path}.service.namespace`, 'service namespace is required'));
    return errors;
  }
  const form = '; desired format: https://host[/path]';
  if (!URL.canParse(text(url))) return [required(`${path}.url`, `url must be a valid URL: ${text(url)}${form}`)];
  const parsed = new URL(text(url));
  if (parsed.protocol !== 'https:')
    return [invalid(`${path}.url`, parsed.protocol.slice(0, -1), `'https' is the only allowed URL scheme${form}`)];
  return [];
}

export function validateClaim(claim: JsonObject): FieldError[] {
  const spec = objectAt(claim, 'spec');
  const errors: FieldError[] = [];
  if (listAt(spec, 'accessModes').length === 0)
    errors.push(required('spec.accessModes', 'at least 1 access mode is required'));
  if (objectAt(spec, 'resources', 'requests')['storage'] === undefined)
    errors.push(required('spec.resources[storage]'));
  return errors;
}

export function validateNode(node: JsonObject): FieldError[] {
  const spec = objectAt(node, 'spec');
  const errors = validateTaints(objectsAt(spec, 'taints'), 'metadata.taints');
  const ranges =
    listAt(spec, 'podCIDRs').length > 0
      ? listAt(spec, 'podCIDRs')
      : text(spec['podCIDR']) === ''
        ? []
        : [spec['podCIDR']];
  ranges.forEach((range, index) =>
    errors.push(...cidrErrors(text(range)).map((detail) => invalid(`spec.podCIDRs[${index}]`, range, detail))),
  );
  return errors;
}

export function validateEvent(event: JsonObject): FieldError[] {
  const subject = objectAt(event, 'involvedObject');
  const namespace = text(objectAt(event, 'metadata')['namespace']);
  const about = text(subject['namespace']);
  if (about !== '' && about !== namespace)
    return [invalid('involvedObject.namespace', about, 'does not match event.namespace')];
  if (about === '' && namespace !== '' && namespace !== 'default' && namespace !== 'kube-system')
    return [invalid('involvedObject.namespace', '', 'does not match event.namespace')];
  return [];
}

/** A claim's size and attributes class may change, nothing else. */
export function validateClaimUpdate(claim: JsonObject, old: JsonObject): FieldError[] {
  const fixed = (object: JsonObject): JsonObject => {
    const {
      resources: _resources,
      volumeAttributesClassName: _class,
      volumeName: _volume,
      ...rest
    } = objectAt(object, 'spec');
    return rest;
  };
  const wasUnbound = text(objectAt(old, 'spec')['volumeName']) === '';
  const isVolumeKept = wasUnbound || objectAt(claim, 'spec')['volumeName'] === objectAt(old, 'spec')['volumeName'];
  if (equalJson(fixed(claim), fixed(old)) && isVolumeKept) return [];
  return [
    forbidden(
      'spec',
      'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims',
    ),
  ];
}

export function validatePriorityClassUpdate(priorityClass: JsonObject, old: JsonObject): FieldError[] {
  return ['value', 'preemptionPolicy']
    .filter((key) => !equalJson(priorityClass[key], old[key]))
    .map((key) => forbidden(key, 'may not be changed in an update.'));
}

export function validateStorageClassUpdate(storageClass: JsonObject, old: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  for (const key of ['parameters', 'provisioner', 'reclaimPolicy'])
    if (!equalJson(storageClass[key], old[key])) errors.push(forbidden(key, `updates to ${key} are forbidden.`));
  if (!equalJson(storageClass['volumeBindingMode'], old['volumeBindingMode']))
    errors.push(invalid('volumeBindingMode', storageClass['volumeBindingMode'] ?? null, 'field is immutable'));
  return errors;
}
