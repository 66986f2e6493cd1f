/** Validation of containers: names, images, ports, environment, mounts, probes, resources. */
import { duplicate, forbidden, invalid, notFound, notSupported, required, type FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, type JsonObject } from '../json.ts';
import {
  configKeyErrors,
  dnsLabelErrors,
  dnsSubdomainErrors,
  labelKeyErrors,
  portNameErrors,
  portNumberErrors,
} from '../names.ts';
import { compareQuantities } from '../quantity.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { atLeastZero, text } from './metadata.ts';

export type ContainerRole = 'main' | 'init' | 'ephemeral';
const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const ENVIRONMENT_NAME =
  "a valid environment variable name must consist only of printable ASCII characters other than '='";
const PROBES = ['livenessProbe', 'readinessProbe', 'startupProbe'] as const;

/** Validates one container; names are checked for uniqueness by the caller. */
export function validateContainer(
  container: JsonObject,
  path: string,
  volumes: ReadonlySet<string>,
  role: ContainerRole,
): FieldError[] {
  const name = text(container['name']);
  const image = text(container['image']);
  const errors: FieldError[] = [];
  if (name === '') errors.push(required(`${path}.name`));
  else errors.push(...dnsLabelErrors(name).map((detail) => invalid(`${path}.name`, name, detail)));
  if (image === '') errors.push(required(`${path}.image`));
  else if (image !== image.trim())
    errors.push(invalid(`${path}.image`, image, 'must not have leading or trailing whitespace'));
  const policy = container['terminationMessagePolicy'];
  if (policy !== 'File' && policy !== 'FallbackToLogsOnError')
    errors.push(notSupported(`${path}.terminationMessagePolicy`, policy, ['FallbackToLogsOnError', 'File']));
  errors.push(...validatePorts(objectsAt(container, 'ports'), `${path}.ports`));
  objectsAt(container, 'env').forEach((variable, index) =>
    errors.push(...validateVariable(variable, `${path}.env[${index}]`)),
  );
  objectsAt(container, 'envFrom').forEach((source, index) =>
    errors.push(...validateVariables(source, `${path}.envFrom`, index)),
  );
  errors.push(...validateMounts(objectsAt(container, 'volumeMounts'), `${path}.volumeMounts`, volumes));
  if (!['Always', 'IfNotPresent', 'Never'].includes(text(container['imagePullPolicy']))) {
    errors.push(
      notSupported(`${path}.imagePullPolicy`, container['imagePullPolicy'], ['Always', 'IfNotPresent', 'Never']),
    );
  }
  errors.push(...validateResources(objectAt(container, 'resources'), `${path}.resources`));
  const isSidecar = role === 'init' && container['restartPolicy'] === 'Always';
  if (role === 'main' || isSidecar) {
    errors.push(...validateLifecycle(objectAt(container, 'lifecycle'), `${path}.lifecycle`));
    for (const kind of PROBES) errors.push(...validateProbe(container[kind], `${path}.${kind}`, kind));
  } else {
    for (const kind of ['lifecycle', ...PROBES]) {
      if (container[kind] === undefined) continue;
      errors.push(
        forbidden(
          `${path}.${kind}`,
          role === 'init'
            ? 'may not be set for init containers without restartPolicy=Always'
            : 'not allowed for ephemeral containers',
        ),
      );
    }
  }
  return errors;
}

function validatePorts(ports: readonly JsonObject[], path: string): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  ports.forEach((port, index) => {
    const at = `${path}[${index}]`;
    const name = text(port['name']);
    if (name !== '') {
      const wrong = portNameErrors(name);
      if (wrong.length > 0) errors.push(...wrong.map((detail) => invalid(`${at}.name`, name, detail)));
      else if (names.has(name)) errors.push(duplicate(`${at}.name`, name));
      else names.add(name);
    }
    const number = Number(port['containerPort']);
    if (number === 0) errors.push(required(`${at}.containerPort`));
    else errors.push(...portNumberErrors(number).map((detail) => invalid(`${at}.containerPort`, number, detail)));
    if (port['hostPort'] !== undefined)
      errors.push(
        ...portNumberErrors(Number(port['hostPort'])).map((detail) =>
          invalid(`${at}.hostPort`, port['hostPort'], detail),
        ),
      );
    if (text(port['protocol']) === '') errors.push(required(`${at}.protocol`));
    else if (!PROTOCOLS.includes(text(port['protocol'])))
      errors.push(notSupported(`${at}.protocol`, port['protocol'], PROTOCOLS));
  });
  return errors;
}

/** Field paths that an environment variable may take its value from. */
const VARIABLE_FIELDS = [
  'metadata.name',
  'metadata.namespace',
  'metadata.uid',
  'spec.nodeName',
  'spec.serviceAccountName',
  'status.hostIP',
  'status.hostIPs',
  'status.podIP',
  'status.podIPs',
];

function validateVariable(variable: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const name = text(variable['name']);
  if (name === '') errors.push(required(`${path}.name`));
  else if (!/^[ -<>-~]+$/.test(name)) errors.push(invalid(`${path}.name`, name, ENVIRONMENT_NAME));
  const source = variable['valueFrom'];
  if (!isObject(source)) return errors;
  const kinds = Object.keys(source);
  const at = `${path}.valueFrom`;
  if (isObject(source['fieldRef']))
    errors.push(...validateFieldRef(source['fieldRef'], `${at}.fieldRef`, VARIABLE_FIELDS));
  for (const kind of ['configMapKeyRef', 'secretKeyRef']) {
    const reference = source[kind];
    if (!isObject(reference)) continue;
    const name = text(reference['name']);
    errors.push(...dnsSubdomainErrors(name).map((detail) => invalid(`${at}.${kind}.name`, name, detail)));
    errors.push(...validateConfigKey(text(reference['key']), `${at}.${kind}.key`));
  }
  if (kinds.length === 0)
    errors.push(
      invalid(at, '', 'must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`'),
    );
  else if (text(variable['value']) !== '')
    errors.push(invalid(at, '', 'may not be specified when `value` is not empty'));
  else if (kinds.length > 1) errors.push(invalid(at, '', 'may not have more than one field specified at a time'));
  return errors;
}

function validateConfigKey(key: string, path: string): FieldError[] {
  return key === '' ? [required(path)] : configKeyErrors(key).map((detail) => invalid(path, key, detail));
}

/** A reference to a field of the pod. */
export function validateFieldRef(reference: JsonObject, path: string, allowed: readonly string[]): FieldError[] {
  const field = text(reference['fieldPath']);
  if (text(reference['apiVersion']) === '') return [required(`${path}.apiVersion`)];
  if (field === '') return [required(`${path}.fieldPath`)];
  const subscript = /^metadata\.(annotations|labels)\['(.*)'\]$/s.exec(field);
  if (subscript !== null) {
    const key = subscript[2] ?? '';
    return labelKeyErrors(subscript[1] === 'annotations' ? key.toLowerCase() : key).map((detail) =>
      invalid(path, key, detail),
    );
  }
  if (allowed.includes(field)) return [];
  const isKnown = [
    ...VARIABLE_FIELDS,
    'metadata.labels',
    'metadata.annotations',
    'spec.hostNetwork',
    'spec.restartPolicy',
    'spec.schedulerName',
    'status.phase',
  ].includes(field);
  if (!isKnown)
    return [invalid(`${path}.fieldPath`, field, `error converting fieldPath: field label not supported: ${field}`)];
  return [notSupported(`${path}.fieldPath`, field, [...allowed].sort())];
}

function validateVariables(source: JsonObject, path: string, index: number): FieldError[] {
  const errors: FieldError[] = [];
  const at = `${path}[${index}]`;
  const prefix = text(source['prefix']);
  if (prefix !== '' && !/^[ -<>-~]+$/.test(prefix)) errors.push(invalid(`${at}.prefix`, prefix, ENVIRONMENT_NAME));
  const kinds = ['configMapRef', 'secretRef'].filter((kind) => isObject(source[kind]));
  for (const kind of kinds)
    if (text(objectAt(source, kind)['name']) === '') errors.push(required(`${at}.${kind}.name`));
  if (kinds.length === 0) errors.push(invalid(path, '', 'must specify one of: `configMapRef` or `secretRef`'));
  else if (kinds.length > 1) errors.push(invalid(path, '', 'may not have more than one field specified at a time'));
  return errors;
}

function validateMounts(mounts: readonly JsonObject[], path: string, volumes: ReadonlySet<string>): FieldError[] {
  const errors: FieldError[] = [];
  const places = new Set<string>();
  mounts.forEach((mount, index) => {
    const at = `${path}[${index}]`;
    const name = text(mount['name']);
    const place = text(mount['mountPath']);
    if (name === '') errors.push(required(`${at}.name`));
    if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name));
    if (place === '') errors.push(required(`${at}.mountPath`));
    if (places.has(place)) errors.push(invalid(`${at}.mountPath`, place, 'must be unique'));
    places.add(place);
    for (const key of ['subPath', 'subPathExpr']) {
      const sub = text(mount[key]);
      if (sub.startsWith('/')) errors.push(invalid(`${path}.${key}`, sub, 'must be a relative path'));
      if (sub.split('/').includes('..')) errors.push(invalid(`${path}.${key}`, sub, "must not contain '..'"));
    }
  });
  return errors;
}

function validateLifecycle(lifecycle: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  for (const hook of ['postStart', 'preStop'])
    if (isObject(lifecycle[hook])) errors.push(...validateHandler(lifecycle[hook], `${path}.${hook}`));
  return errors;
}

function validateProbe(probe: unknown, path: string, kind: (typeof PROBES)[number]): FieldError[] {
  if (!isObject(probe)) return [];
  const errors = validateHandler(probe, path);
  for (const key of [
    'initialDelaySeconds',
    'timeoutSeconds',
    'periodSeconds',
    'successThreshold',
    'failureThreshold',
  ]) {
    if (key !== 'successThreshold') errors.push(...atLeastZero(probe, key, path));
  }
  const threshold = Number(probe['successThreshold'] ?? 1);
  if (threshold < 0) errors.push(invalid(`${path}.successThreshold`, threshold, 'must be greater than or equal to 0'));
  const grace = probe['terminationGracePeriodSeconds'];
  if (typeof grace === 'number' && grace <= 0)
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'));
  if (kind === 'readinessProbe') {
    if (grace !== undefined)
      errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'));
  } else if (threshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, threshold, 'must be 1'));
  }
  return errors;
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const;

function validateHandler(handler: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  let count = 0;
  for (const kind of HANDLERS) {
    const action = handler[kind];
    if (!isObject(action)) continue;
    count += 1;
    const at = `${path}.${kind}`;
    if (count > 1) {
      errors.push(forbidden(at, 'may not specify more than 1 handler type'));
      continue;
    }
    if (kind === 'exec' && listAt(action, 'command').length === 0) errors.push(required(`${at}.command`));
    if (kind === 'httpGet') errors.push(...validateHttpGet(action, at));
    if (kind === 'tcpSocket') errors.push(...validatePortReference(action['port'], `${at}.port`));
    if (kind === 'grpc')
      errors.push(
        ...portNumberErrors(Number(action['port'])).map((detail) => invalid(`${at}.port`, action['port'], detail)),
      );
  }
  if (count === 0) errors.push(required(path, 'must specify a handler type'));
  return errors;
}

function validateHttpGet(action: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  if (text(action['path']) === '') errors.push(required(`${path}.path`));
  errors.push(...validatePortReference(action['port'], `${path}.port`));
  if (action['scheme'] !== 'HTTP' && action['scheme'] !== 'HTTPS')
    errors.push(notSupported(`${path}.scheme`, action['scheme'], ['HTTP', 'HTTPS']));
  for (const header of objectsAt(action, 'httpHeaders')) {
    const name = text(header['name']);
    if (!/^[-A-Za-z0-9]+$/.test(name))
      errors.push(
        invalid(
          `${path}.httpHeaders`,
          name,
          "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')",
        ),
      );
  }
  return errors;
}

/** A port by number or name. */
export function validatePortReference(port: unknown, path: string): FieldError[] {
  if (typeof port === 'string') return portNameErrors(port).map((detail) => invalid(path, port, detail));
  return portNumberErrors(Number(port)).map((detail) => invalid(path, port, detail));
}

const STANDARD_RESOURCES = ['cpu', 'memory', 'ephemeral-storage'];

function validateResources(resources: JsonObject, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const limits = objectAt(resources, 'limits');
  const requests = objectAt(resources, 'requests');
  for (const [key, amounts] of [
    ['limits', limits],
    ['requests', requests],
  ] as const) {
    for (const name of Object.keys(amounts)) {
      const at = `${path}.${key}[${name}]`;
      errors.push(...validateResourceName(name, at));
      const amount = text(amounts[name]);
      if (compareQuantities(amount, '0') < 0) errors.push(invalid(at, amount, 'must be greater than or equal to 0'));
      if (key === 'requests' && limits[name] !== undefined && compareQuantities(amount, text(limits[name])) > 0) {
        errors.push(
          invalid(`${path}.requests`, amount, `must be less than or equal to ${name} limit of ${text(limits[name])}`),
        );
      }
    }
  }
  return errors;
}

function validateResourceName(name: string, path: string): FieldError[] {
  const wrong = labelKeyErrors(name);
  if (wrong.length > 0) return wrong.map((detail) => invalid(path, name, detail));
  if (name.includes('/') || STANDARD_RESOURCES.includes(name) || name.startsWith('hugepages-')) return [];
  return [
    invalid(path, name, 'must be a standard resource type or fully qualified'),
    invalid(path, name, 'must be a standard resource for containers'),
  ];
}
