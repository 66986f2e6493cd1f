/** Validation of Services, Endpoints, EndpointSlices, Ingresses and NetworkPolicies. */
import { duplicate, forbidden, invalid, notSupported, required, type FieldError } from '../field-error.ts';
import { isObject, listAt, objectAt, type JsonObject } from '../json.ts';
import { dnsLabelErrors, dnsSubdomainErrors, endpointIpErrors, IP_TEXT, ipErrors, portNumberErrors } from '../names.ts';
import { objectsAt } from '../defaults/pod-spec.ts';
import { validatePortReference } from './container.ts';
import { text, validateLabels, validateLabelSelector } from './metadata.ts';

const PROTOCOLS = ['SCTP', 'TCP', 'UDP'];
const SERVICE_TYPES = ['ClusterIP', 'ExternalName', 'LoadBalancer', 'NodePort'];

/** Validates a defaulted Service. */
export function validateService(service: JsonObject): FieldError[] {
  const spec = objectAt(service, 'spec');
  const errors: FieldError[] = [];
  const type = text(spec['type']);
  const isHeadless = spec['clusterIP'] === 'None';
  const ports = objectsAt(spec, 'ports');
  if (ports.length === 0 && !isHeadless && type !== 'ExternalName') errors.push(required('spec.ports'));
  if (type === 'LoadBalancer' && isHeadless)
    errors.push(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for LoadBalancer services"));
  if (type === 'NodePort' && isHeadless)
    errors.push(invalid('spec.clusterIPs[0]', 'None', "may not be set to 'None' for NodePort services"));
  if (type === 'ExternalName') {
    const addresses = listAt(spec, 'clusterIPs');
    if (addresses.length > 0 || text(spec['clusterIP']) !== '')
      errors.push(forbidden('spec.clusterIPs', 'may not be set for ExternalName services'));
    const name = text(spec['externalName']).replace(/\.$/, '');
    if (name === '') errors.push(required('spec.externalName'));
    else errors.push(...dnsSubdomainErrors(name).map((detail) => invalid('spec.externalName', name, detail)));
  }
  errors.push(...validateServicePorts(ports, isHeadless));
  errors.push(...validateLabels(spec['selector'], 'spec.selector'));
  const affinity = text(spec['sessionAffinity']);
  if (affinity === '') errors.push(required('spec.sessionAffinity'));
  else if (affinity !== 'ClientIP' && affinity !== 'None')
    errors.push(notSupported('spec.sessionAffinity', affinity, ['ClientIP', 'None']));
  errors.push(...validateServiceAddresses(spec));
  if (!SERVICE_TYPES.includes(type)) errors.push(notSupported('spec.type', type, SERVICE_TYPES));
  const used = new Set<string>();
  ports.forEach((port, index) => {
    const key = canonical({
      Name: '',
      Protocol: text(port['protocol']),
      AppProtocol: null,
      Port: port['port'],
      TargetPort: 0,
      NodePort: 0,
    });
    if (used.has(key)) errors.push(duplicate(`spec.ports[${index}]`, JSON.parse(key)));
    used.add(key);
  });
  const external = text(spec['externalTrafficPolicy']);
  if (external !== '' && external !== 'Cluster' && external !== 'Local')
    errors.push(notSupported('spec.externalTrafficPolicy', external, ['Cluster', 'Local']));
  const internal = text(spec['internalTrafficPolicy']);
  if (internal !== '' && internal !== 'Cluster' && internal !== 'Local')
    errors.push(notSupported('spec.internalTrafficPolicy', internal, ['Cluster', 'Local']));
  return errors;
}

function canonical(value: JsonObject): string {
  return JSON.stringify(value);
}

function validateServicePorts(ports: readonly JsonObject[], isHeadless: boolean): FieldError[] {
  const errors: FieldError[] = [];
  const names = new Set<string>();
  ports.forEach((port, index) => {
    const path = `spec.ports[${index}]`;
    const name = text(port['name']);
    if (name === '') {
      if (ports.length > 1) errors.push(required(`${path}.name`));
    } else {
      errors.push(...dnsLabelErrors(name).map((detail) => invalid(`${path}.name`, name, detail)));
      if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
      names.add(name);
    }
    errors.push(
      ...portNumberErrors(Number(port['port'])).map((detail) => invalid(`${path}.port`, port['port'], detail)),
    );
    const protocol = text(port['protocol']);
    if (protocol === '') errors.push(required(`${path}.protocol`));
    else if (!PROTOCOLS.includes(protocol)) errors.push(notSupported(`${path}.protocol`, protocol, PROTOCOLS));
    if (port['targetPort'] !== undefined)
      errors.push(...validatePortReference(port['targetPort'], `${path}.targetPort`));
    if (isHeadless && Number(port['nodePort'] ?? 0) !== 0)
      errors.push(invalid(`${path}.nodePort`, port['nodePort'], "may not be used when `type` is 'ClusterIP'"));
  });
  return errors;
}

function validateServiceAddresses(spec: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  listAt(spec, 'externalIPs').forEach((address, index) => {
    const path = `spec.externalIPs[${index}]`;
    const wrong = ipErrors(text(address));
    errors.push(
      ...(wrong.length > 0 ? wrong : endpointIpErrors(text(address))).map((detail) => invalid(path, address, detail)),
    );
  });
  if (spec['type'] === 'ExternalName') return errors;
  const addresses =
    listAt(spec, 'clusterIPs').length > 0
      ? listAt(spec, 'clusterIPs')
      : text(spec['clusterIP']) === ''
        ? []
        : [spec['clusterIP']];
  addresses.forEach((address, index) => {
    if (address === 'None' || address === '') return;
    errors.push(...ipErrors(text(address)).map((detail) => invalid(`spec.clusterIPs[${index}]`, address, detail)));
  });
  if (addresses.length > 0 && text(spec['clusterIP']) !== '' && spec['clusterIP'] !== addresses[0]) {
    errors.push(invalid('spec.clusterIPs', addresses, 'first value must match `clusterIP`'));
  }
  return errors;
}

/** A Service's primary address and headlessness are decided once. */
export function validateServiceUpdate(service: JsonObject, old: JsonObject): FieldError[] {
  const spec = objectAt(service, 'spec');
  const oldSpec = objectAt(old, 'spec');
  const needsAddress = (type: unknown): boolean =>
    type === 'ClusterIP' || type === 'NodePort' || type === 'LoadBalancer';
  const errors: FieldError[] = [];
  if (needsAddress(oldSpec['type']) && needsAddress(spec['type']) && text(oldSpec['clusterIP']) !== '') {
    const primary = text(spec['clusterIP']);
    if (primary !== oldSpec['clusterIP']) {
      const path = 'spec.clusterIPs[0]';
      errors.push(
        invalid(
          path,
          listAt(spec, 'clusterIPs').length > 0 ? listAt(spec, 'clusterIPs') : [primary],
          'may not change once set',
        ),
      );
    }
  }
  return errors;
}

/** Validates a defaulted Endpoints object. */
export function validateEndpoints(endpoints: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  objectsAt(endpoints, 'subsets').forEach((subset, index) => {
    const path = `subsets[${index}]`;
    const ready = objectsAt(subset, 'addresses');
    const notReady = objectsAt(subset, 'notReadyAddresses');
    if (ready.length === 0 && notReady.length === 0)
      errors.push(required(path, 'must specify `addresses` or `notReadyAddresses`'));
    for (const [key, addresses] of [
      ['addresses', ready],
      ['notReadyAddresses', notReady],
    ] as const) {
      addresses.forEach((address, place) => {
        const at = `${path}.${key}[${place}].ip`;
        const ip = text(address['ip']);
        const wrong = ipErrors(ip);
        if (wrong.length > 0) errors.push(invalid(at, ip, IP_TEXT), invalid(at, ip, 'must be a valid IP address'));
        else errors.push(...endpointIpErrors(ip).map((detail) => invalid(at, ip, detail)));
      });
    }
    const ports = objectsAt(subset, 'ports');
    ports.forEach((port, place) => {
      const at = `${path}.ports[${place}]`;
      const name = text(port['name']);
      if (name === '' && ports.length > 1) errors.push(required(`${at}.name`));
      else if (name !== '') errors.push(...dnsLabelErrors(name).map((detail) => invalid(`${at}.name`, name, detail)));
      errors.push(
        ...portNumberErrors(Number(port['port'])).map((detail) => invalid(`${at}.port`, port['port'], detail)),
      );
      if (!PROTOCOLS.includes(text(port['protocol'])))
        errors.push(notSupported(`${at}.protocol`, port['protocol'], PROTOCOLS));
    });
  });
  return errors;
}

/** Validates a defaulted EndpointSlice. */
export function validateEndpointSlice(slice: JsonObject): FieldError[] {
  const errors: FieldError[] = [];
  const type = text(slice['addressType']);
  if (type === '') errors.push(required('addressType'));
  else if (!['FQDN', 'IPv4', 'IPv6'].includes(type))
    errors.push(notSupported('addressType', type, ['FQDN', 'IPv4', 'IPv6']));
  const names = new Set<string>();
  objectsAt(slice, 'ports').forEach((port, index) => {
    const path = `ports[${index}]`;
    const name = text(port['name']);
    if (name !== '') errors.push(...dnsLabelErrors(name).map((detail) => invalid(`${path}.name`, name, detail)));
    if (names.has(name)) errors.push(duplicate(`${path}.name`, name));
    names.add(name);
    if (!PROTOCOLS.includes(text(port['protocol'])))
      errors.push(notSupported(`${path}.protocol`, port['protocol'], PROTOCOLS));
  });
  objectsAt(slice, 'endpoints').forEach((endpoint, index) => {
    const path = `endpoints[${index}]`;
    const addresses = listAt(endpoint, 'addresses');
    if (addresses.length === 0) errors.push(required(`${path}.addresses`, 'must contain at least 1 address'));
    addresses.forEach((address, place) => {
      const value = text(address);
      const at = `${path}.addresses[${place}]`;
      if (type === 'FQDN') errors.push(...dnsSubdomainErrors(value).map((detail) => invalid(at, value, detail)));
      if (type !== 'IPv4' && type !== 'IPv6') return;
      const wrong = ipErrors(value);
      if (wrong.length > 0) errors.push(invalid(at, value, IP_TEXT));
      else if (value.includes(':') !== (type === 'IPv6')) errors.push(invalid(at, value, `must be an ${type} address`));
      else errors.push(...endpointIpErrors(value).map((detail) => invalid(at, value, detail)));
    });
    const hostname = endpoint['hostname'];
    if (typeof hostname === 'string')
      errors.push(...dnsLabelErrors(hostname).map((detail) => invalid(`${path}.hostname`, hostname, detail)));
    objectsAt(endpoint, 'hints', 'forZones').forEach((zone, place) => {
      if (text(zone['name']) === '') errors.push(required(`${path}.hints.forZones[${place}].name`));
    });
  });
  return errors;
}

export function validateEndpointSliceUpdate(slice: JsonObject, old: JsonObject): FieldError[] {
  return slice['addressType'] === old['addressType']
    ? []
    : [invalid('addressType', slice['addressType'], 'field is immutable')];
}

/** Validates an Ingress: that it routes anywhere at all, and its paths. */
export function validateIngress(ingress: JsonObject): FieldError[] {
  const spec = objectAt(ingress, 'spec');
  const errors: FieldError[] = [];
  const rules = objectsAt(spec, 'rules');
  if (!isObject(spec['defaultBackend']) && rules.length === 0)
    errors.push(
      invalid(
        'spec',
        Object.keys(spec).length === 0 ? null : spec,
        'either `defaultBackend` or `rules` must be specified',
      ),
    );
  rules.forEach((rule, index) => {
    objectsAt(rule, 'http', 'paths').forEach((entry, place) => {
      const path = `spec.rules[${index}].http.paths[${place}]`;
      const type = text(entry['pathType']);
      if (type === '') errors.push(required(`${path}.pathType`, 'pathType must be specified'));
      else if (!['Exact', 'ImplementationSpecific', 'Prefix'].includes(type))
        errors.push(notSupported(`${path}.pathType`, type, ['Exact', 'ImplementationSpecific', 'Prefix']));
      else if (type !== 'ImplementationSpecific' && !text(entry['path']).startsWith('/'))
        errors.push(invalid(`${path}.path`, text(entry['path']), 'must be an absolute path'));
    });
  });
  return errors;
}

export function validateNetworkPolicy(policy: JsonObject): FieldError[] {
  return validateLabelSelector(objectAt(policy, 'spec')['podSelector'], 'spec.podSelector');
}
