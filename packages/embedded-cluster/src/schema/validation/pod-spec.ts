/** Validation of a pod's specification: volumes, containers, and the fields around them. */
import { forbidden, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, type JsonObject } from '../json.ts';
import { dnsLabelErrors, dnsSubdomainErrors, ipErrors, labelKeyErrors } from '../names.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { validateContainer, validateFieldRef } from './container.ts';
import { duplicates, text, validateLabels } from './metadata.ts';

const INT32_MAX = 2_147_483_647;

/**
 * Validates a defaulted pod specification.
 * @param claims Volumes that are added when the pod is made.
 */
export function validatePodSpec(spec: JsonObject, path: string, claims: readonly string[] = []): FieldError[] {
  const errors: FieldError[] = [...validateVolumes(spec, `${path}.volumes`)];
  const volumes = new Set([...objectsAt(spec, 'volumes').map((volume) => text(volume['name'])), ...claims]);
  const containers = objectsAt(spec, 'containers');
  if (containers.length === 0) errors.push(required(`${path}.containers`));
  containers.forEach((container, index) =>
    errors.push(...validateContainer(container, `${path}.containers[${index}]`, volumes, 'main')),
  );
  errors.push(
    ...duplicates(containers.map((container, index) => [`${path}.containers[${index}].name`, text(container['name'])])),
  );
  const init = objectsAt(spec, 'initContainers');
  init.forEach((container, index) =>
    errors.push(...validateContainer(container, `${path}.initContainers[${index}]`, volumes, 'init')),
  );
  const names = new Set(containers.map((container) => text(container['name'])));
  errors.push(
    ...duplicates([
      ...[...names].map((name) => ['', name] as const),
      ...init.map((container, index) => [`${path}.initContainers[${index}].name`, text(container['name'])] as const),
    ]),
  );
  errors.push(...validateEnums(spec, path), ...validateNames(spec, path));
  errors.push(...validateTokenVolumes(spec, path));
  errors.push(...validateAffinity(objectAt(spec, 'affinity'), `${path}.affinity`));
  objectsAt(spec, 'tolerations').forEach((toleration, index) =>
    errors.push(...validateToleration(toleration, `${path}.tolerations[${index}]`)),
  );
  objectsAt(spec, 'hostAliases').forEach((alias, index) => {
    const at = `${path}.hostAliases[${index}]`;
    errors.push(...ipErrors(text(alias['ip'])).map((detail) => invalid(`${at}.ip`, alias['ip'] ?? '', detail)));
    listAt(alias, 'hostnames').forEach((name, place) =>
      errors.push(
        ...dnsSubdomainErrors(text(name)).map((detail) => invalid(`${at}.hostnames[${place}]`, name, detail)),
      ),
    );
  });
  return errors;
}

function validateEnums(spec: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (!['Always', 'OnFailure', 'Never'].includes(text(spec['restartPolicy'])))
    errors.push(notSupported(`${path}.restartPolicy`, spec['restartPolicy'], ['Always', 'OnFailure', 'Never']));
  if (!['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'].includes(text(spec['dnsPolicy']))) {
    errors.push(
      notSupported(`${path}.dnsPolicy`, spec['dnsPolicy'], [
        'ClusterFirstWithHostNet',
        'ClusterFirst',
        'Default',
        'None',
      ]),
    );
  }
  if (spec['dnsPolicy'] === 'None' && listAt(spec, 'dnsConfig', 'nameservers').length === 0)
    errors.push(
      required(`${path}.dnsConfig.nameservers`, 'must provide at least one DNS nameserver when `dnsPolicy` is None'),
    );
  return errors;
}

function validateNames(spec: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [...validateLabels(spec['nodeSelector'], `${path}.nodeSelector`)];
  const check = (key: string, wrong: (value: string) => string[]): void => {
    const value = text(spec[key]);
    if (value !== '') errors.push(...wrong(value).map((detail) => invalid(`${path}.${key}`, value, detail)));
  };
  check('serviceAccountName', dnsSubdomainErrors);
  check('nodeName', dnsSubdomainErrors);
  const deadline = spec['activeDeadlineSeconds'];
  if (typeof deadline === 'number' && (deadline < 1 || deadline > INT32_MAX))
    errors.push(invalid(`${path}.activeDeadlineSeconds`, deadline, `must be between 1 and ${INT32_MAX}, inclusive`));
  const grace = spec['terminationGracePeriodSeconds'];
  if (typeof grace === 'number' && grace < 0)
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than or equal to 0'));
  check('hostname', dnsLabelErrors);
  check('subdomain', dnsLabelErrors);
  check('priorityClassName', dnsSubdomainErrors);
  check('runtimeClassName', dnsSubdomainErrors);
  return errors;
}

const VOLUME_FIELDS = [
  'metadata.annotations',
  'metadata.labels',
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
];
const HOST_PATH_TYPES = [
  '',
  'BlockDevice',
  'CharDevice',
  'Directory',
  'DirectoryOrCreate',
  'File',
  'FileOrCreate',
  'Socket',
];
const TOKEN_SECONDS_MIN = 600;

function validateVolumes(spec: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  objectsAt(spec, 'volumes').forEach((volume, index) => {
    const at = `${path}[${index}]`;
    const name = text(volume['name']);
    errors.push(...validateVolumeSource(volume, at));
    if (name === '') errors.push(required(`${at}.name`));
    else errors.push(...dnsLabelErrors(name).map((detail) => invalid(`${at}.name`, name, detail)));
    if (names.has(name)) errors.push({ kind: 'duplicate', field: `${at}.name`, value: name, detail: '' });
    names.add(name);
  });
  return errors;
}

/** The order in which sources are looked at: the first is the volume's, more are refused. */
const SOURCES = [
  'emptyDir',
  'hostPath',
  'gitRepo',
  'gcePersistentDisk',
  'awsElasticBlockStore',
  'secret',
  'nfs',
  'iscsi',
  'glusterfs',
  'flocker',
  'persistentVolumeClaim',
  'rbd',
  'cinder',
  'cephfs',
  'quobyte',
  'downwardAPI',
  'fc',
  'flexVolume',
  'configMap',
  'azureFile',
  'vsphereVolume',
  'photonPersistentDisk',
  'portworxVolume',
  'azureDisk',
  'storageos',
  'projected',
  'scaleIO',
  'csi',
  'ephemeral',
  'image',
];

function validateVolumeSource(volume: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const present = SOURCES.filter((source) => isObject(volume[source]));
  present
    .slice(1)
    .forEach((source) => errors.push(forbidden(`${path}.${source}`, 'may not specify more than 1 volume type')));
  const [source] = present;
  if (source === undefined) return [...errors, required(path, 'must specify a volume type')];
  const body = objectAt(volume, source);
  const at = `${path}.${source}`;
  switch (source) {
    case 'configMap':
      if (text(body['name']) === '') errors.push(required(`${at}.name`));
      errors.push(...validateItems(body, at));
      break;
    case 'secret':
      if (text(body['secretName']) === '') errors.push(required(`${at}.secretName`));
      errors.push(...validateItems(body, at));
      break;
    case 'hostPath':
      if (text(body['path']) === '') errors.push(required(`${at}.path`));
      else if (text(body['path']).split('/').includes('..'))
        errors.push(invalid(`${at}.path`, body['path'], "must not contain '..'"));
      if (errors.length === 0 && !HOST_PATH_TYPES.includes(text(body['type'])))
        errors.push(notSupported(`${at}.type`, body['type'], HOST_PATH_TYPES));
      break;
    case 'persistentVolumeClaim':
      if (text(body['claimName']) === '') errors.push(required(`${at}.claimName`));
      break;
    case 'downwardAPI':
      errors.push(...validateDownward(body, at));
      break;
    case 'projected':
      errors.push(...validateProjected(body, at));
      break;
    default:
  }
  return errors;
}

function validateItems(body: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const mode = body['defaultMode'];
  if (typeof mode === 'number' && (mode < 0 || mode > 0o777))
    errors.push(invalid(`${path}.defaultMode`, mode, 'must be a number between 0 and 0777 (octal), both inclusive'));
  objectsAt(body, 'items').forEach((item, index) => {
    const at = `${path}.items[${index}]`;
    const key = text(item['key']);
    if (key === '') errors.push(required(`${at}.key`));
    errors.push(...validateRelativePath(text(item['path']), `${at}.path`));
  });
  return errors;
}

function validateRelativePath(value: string, path: string): FieldError[] {
  if (value === '') return [required(path)];
  if (value.startsWith('/')) return [invalid(path, value, 'must be a relative path')];
  if (value.split('/').includes('..')) return [invalid(path, value, "must not contain '..'")];
  return value.startsWith('..') ? [invalid(path, value, "must not start with '..'")] : [];
}

function validateDownward(body: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  objectsAt(body, 'items').forEach((item, index) => {
    const at = `${path}.items[${index}]`;
    errors.push(...validateRelativePath(text(item['path']), `${at}.path`));
    if (isObject(item['fieldRef'])) errors.push(...validateFieldRef(item['fieldRef'], `${at}.fieldRef`, VOLUME_FIELDS));
    else if (!isObject(item['resourceFieldRef']))
      errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'));
  });
  return errors;
}

function validateProjected(body: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  objectsAt(body, 'sources').forEach((source, index) => {
    const at = `${path}.sources[${index}]`;
    const { configMap, secret, downwardAPI, serviceAccountToken } = source;
    if (isObject(configMap)) {
      if (text(configMap['name']) === '') errors.push(required(`${at}.configMap.name`));
      errors.push(...validateItems(configMap, `${at}.configMap`));
    }
    if (isObject(secret)) {
      if (text(secret['name']) === '') errors.push(required(`${at}.secret.name`));
      errors.push(...validateItems(secret, `${at}.secret`));
    }
    if (isObject(downwardAPI)) errors.push(...validateDownward(downwardAPI, `${at}.downwardAPI`));
    if (isObject(serviceAccountToken)) {
      const seconds = Number(serviceAccountToken['expirationSeconds']);
      if (seconds < TOKEN_SECONDS_MIN)
        errors.push(
          invalid(
            `${at}.serviceAccountToken.expirationSeconds`,
            seconds,
            'may not specify a duration less than 10 minutes',
          ),
        );
      if (seconds > 2 ** 32)
        errors.push(
          invalid(
            `${at}.serviceAccountToken.expirationSeconds`,
            seconds,
            'may not specify a duration larger than 2^32 seconds',
          ),
        );
      if (text(serviceAccountToken['path']) === '') errors.push(required(`${path}.path`));
    }
  });
  return errors;
}

/** Tokens need an account; in templates the account is set later. */
function validateTokenVolumes(spec: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (text(spec['serviceAccountName']) !== '' || path !== 'spec') return errors;
  objectsAt(spec, 'volumes').forEach((volume, index) => {
    objectsAt(volume, 'projected', 'sources').forEach((source, place) => {
      if (isObject(source['serviceAccountToken'])) {
        errors.push(
          forbidden(
            `${path}.volumes[${index}].projected.sources[${place}].serviceAccountToken`,
            'must not be specified when serviceAccountName is not set',
          ),
        );
      }
    });
  });
  return errors;
}

function validateAffinity(affinity: JsonObject, path: string): FieldError[] {
  const needed = objectAt(affinity, 'nodeAffinity')['requiredDuringSchedulingIgnoredDuringExecution'];
  if (!isObject(needed) || listAt(needed, 'nodeSelectorTerms').length > 0) return [];
  return [
    required(
      `${path}.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`,
      'must have at least one node selector term',
    ),
  ];
}

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

function validateToleration(toleration: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const key = text(toleration['key']);
  const operator = text(toleration['operator']);
  if (key !== '') errors.push(...labelKeyErrors(key).map((detail) => invalid(`${path}.key`, key, detail)));
  else if (operator !== 'Exists')
    errors.push(
      invalid(
        `${path}.operator`,
        operator,
        'operator must be Exists when `key` is empty, which means "match all values and all keys"',
      ),
    );
  if (toleration['tolerationSeconds'] !== undefined && toleration['effect'] !== 'NoExecute')
    errors.push(
      invalid(
        `${path}.effect`,
        text(toleration['effect']),
        "effect must be 'NoExecute' when `tolerationSeconds` is set",
      ),
    );
  if (operator === 'Exists' && text(toleration['value']) !== '')
    errors.push(invalid(`${path}.operator`, toleration['value'], "value must be empty when `operator` is 'Exists'"));
  if (operator !== '' && operator !== 'Exists' && operator !== 'Equal')
    errors.push(notSupported(`${path}.operator`, operator, ['Equal', 'Exists']));
  const effect = text(toleration['effect']);
  if (effect !== '' && !EFFECTS.includes(effect)) errors.push(notSupported(`${path}.effect`, effect, EFFECTS));
  return errors;
}

/** Taints of a node, reported under the path that the API server uses. */
export function validateTaints(taints: readonly JsonObject[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  taints.forEach((taint, index) => {
    const at = `${path}[${index}]`;
    errors.push(
      ...labelKeyErrors(text(taint['key'])).map((detail) => invalid(`${at}.key`, taint['key'] ?? '', detail)),
    );
    const effect = text(taint['effect']);
    if (!EFFECTS.includes(effect))
      errors.push(effect === '' ? required(`${at}.effect`) : notSupported(`${at}.effect`, effect, EFFECTS));
  });
  return errors;
}
