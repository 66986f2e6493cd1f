/** Which webhooks a request concerns: rules, scope and selectors of one webhook (admissionregistration.k8s.io/v1). */
import { asArray, asObject, asString, type JsonObject } from '../json.ts';
import type { AdmissionAttributes } from '../machinery.ts';
import type { Resource, ResourceTable } from '../resources.ts';
import { labelSelectorTest } from '../selectors.ts';
import type { Store } from '../store.ts';

/** Configurations of webhooks are never sent to webhooks: a broken one could not be repaired. */
const EXEMPT = new Set([
  'admissionregistration.k8s.io/validatingwebhookconfigurations',
  'admissionregistration.k8s.io/mutatingwebhookconfigurations',
]);

/** The version of the resource in which the webhook wants the request, or undefined when it isn't concerned. */
export function matchedResource(
  webhook: JsonObject,
  attributes: AdmissionAttributes,
  table: ResourceTable,
  store: Store,
): Resource | undefined {
  if (EXEMPT.has(attributes.resource.bucket)) return undefined;
  const rules = asArray(webhook['rules']).map((rule) => asObject(rule) ?? {});
  const resource = ruledResource(webhook, rules, attributes, table);
  if (resource === undefined) return undefined;
  if (!matchesNamespace(webhook, attributes, store) || !matchesObject(webhook, attributes)) return undefined;
  return resource;
}

function ruledResource(
  webhook: JsonObject,
  rules: readonly JsonObject[],
  attributes: AdmissionAttributes,
  table: ResourceTable,
): Resource | undefined {
  const { resource } = attributes;
  if (rules.some((rule) => matchesRule(rule, attributes, resource))) return resource;
  if (webhook['matchPolicy'] === 'Exact') return undefined;
  const equivalents = table.all().filter((one) => one.bucket === resource.bucket && one !== resource);
  return equivalents.find((one) => rules.some((rule) => matchesRule(rule, attributes, one)));
}

function matchesRule(rule: JsonObject, attributes: AdmissionAttributes, resource: Resource): boolean {
  const { operation, subresource } = attributes;
  const includes = (field: string, value: string): boolean => {
    const list = asArray(rule[field]);
    return list.includes('*') || list.includes(value);
  };
  if (
    !includes('operations', operation) ||
    !includes('apiGroups', resource.group) ||
    !includes('apiVersions', resource.version)
  )
    return false;
  const scope = asString(rule['scope']) ?? '*';
  const namespaced = resource.namespaced && resource.bucket !== '/namespaces';
  if ((scope === 'Namespaced' && !namespaced) || (scope === 'Cluster' && namespaced)) return false;
  return asArray(rule['resources']).some((entry) => {
    const [wantedResource = '', wantedSub] = String(entry).split('/', 2);
    const resourceMatches = wantedResource === '*' || wantedResource === resource.plural;
    const subMatches =
      wantedSub === undefined ? subresource === undefined : wantedSub === '*' || wantedSub === subresource;
    return resourceMatches && subMatches;
  });
}

function matchesNamespace(webhook: JsonObject, attributes: AdmissionAttributes, store: Store): boolean {
  const selector = asObject(webhook['namespaceSelector']);
  if (selector === undefined || Object.keys(selector).length === 0) return true;
  const { resource, namespace, name, object, oldObject } = attributes;
  const test = labelSelectorTest(selector);
  // A namespace is judged by its own labels, anything else without one is always meant.
  if (resource.bucket === '/namespaces')
    return test((object ?? oldObject ?? store.get('/namespaces', name))?.metadata.labels ?? {});
  if (!resource.namespaced || namespace === undefined) return true;
  return test(store.get('/namespaces', namespace)?.metadata.labels ?? {});
}

function matchesObject(webhook: JsonObject, { object, oldObject }: AdmissionAttributes): boolean {
  const selector = asObject(webhook['objectSelector']);
  if (selector === undefined || Object.keys(selector).length === 0) return true;
  const test = labelSelectorTest(selector);
  return [object, oldObject].some((one) => one !== undefined && test(one.metadata.labels ?? {}));
}
