/** Mutating and validating admission webhooks: who is asked, in which order, and what an answer does. */
import { randomUUID } from 'node:crypto';
import type { AdmissionPlugin } from '../admission.ts';
import { asArray, asNumber, asObject, asString, cloneJson, equalJson, type JsonObject } from '../json.ts';
import type { AdmissionAttributes, Machinery } from '../machinery.ts';
import { groupVersion, type Resource } from '../resources.ts';
import { badRequest, failure, internalError, KubeStatusError } from '../status-error.ts';
import type { KubeObject, Status } from '../types.ts';
import { toRequested, toStored } from '../versions.ts';
import type { WebhookCaller } from './webhook-call.ts';
import { matchedResource } from './webhook-match.ts';

const CONFIGURATIONS = {
  mutating: 'admissionregistration.k8s.io/mutatingwebhookconfigurations',
  validating: 'admissionregistration.k8s.io/validatingwebhookconfigurations',
} as const;

interface Matched {
  readonly webhook: JsonObject;
  readonly name: string;
  /** The resource in the version that the webhook asked for. */
  readonly resource: Resource;
}

export class Webhooks implements AdmissionPlugin {
  readonly name = 'Webhooks';
  readonly #machinery: Pick<Machinery, 'store' | 'resources' | 'kinds' | 'log'>;
  readonly #caller: WebhookCaller;

  constructor(machinery: Pick<Machinery, 'store' | 'resources' | 'kinds' | 'log'>, caller: WebhookCaller) {
    this.#machinery = machinery;
    this.#caller = caller;
  }

  /** One after the other; those that want it are asked again when a later one changed the object. */
  async mutate(attributes: AdmissionAttributes): Promise<void> {
    const concerned = this.#matched('mutating', attributes);
    if (concerned.length === 0) return;
    const seen = new Map<Matched, KubeObject>();
    let reinvoke = false;
    for (const matched of concerned) {
      const changed = await this.#mutateBy(matched, attributes);
      if (changed && seen.size > 0) reinvoke = true;
      if (attributes.object !== undefined) seen.set(matched, cloneJson(attributes.object));
    }
    if (!reinvoke || attributes.object === undefined) return;
    for (const matched of concerned) {
      if (matched.webhook['reinvocationPolicy'] !== 'IfNeeded') continue;
      if (!equalJson(seen.get(matched), attributes.object)) await this.#mutateBy(matched, attributes);
    }
  }

  /** All at once; the first denial in their order is the answer. */
  async validate(attributes: AdmissionAttributes): Promise<void> {
    const concerned = this.#matched('validating', attributes);
    if (concerned.length === 0) return;
    const results = await Promise.allSettled(concerned.map((matched) => this.#ask(matched, attributes, 'validating')));
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  #matched(kind: keyof typeof CONFIGURATIONS, attributes: AdmissionAttributes): readonly Matched[] {
    const { store, resources } = this.#machinery;
    const matched: Matched[] = [];
    for (const [, configuration] of store.iterate(CONFIGURATIONS[kind])) {
      for (const entry of asArray(configuration['webhooks'])) {
        const webhook = asObject(entry) ?? {};
        const resource = matchedResource(webhook, attributes, resources, store);
        if (resource !== undefined) matched.push({ webhook, name: asString(webhook['name']) ?? '', resource });
      }
    }
    return matched;
  }

  async #mutateBy(matched: Matched, attributes: AdmissionAttributes): Promise<boolean> {
    const response = await this.#ask(matched, attributes, 'mutating');
    const encoded = asString(response?.['patch']);
    const { object } = attributes;
    if (encoded === undefined || encoded === '' || object === undefined) return false;
    if (response?.['patchType'] !== 'JSONPatch') {
      throw internalError(
        `webhook ${JSON.stringify(matched.name)} answered with patchType ${JSON.stringify(response?.['patchType'])}, want JSONPatch`,
      );
    }
    const { kinds } = this.#machinery;
    const patch = parsePatch(matched.name, encoded);
    const inItsVersion = converted(object, attributes.resource, matched.resource);
    const patched = converted(
      applyAnswer(kinds, cloneJson(inItsVersion), patch),
      matched.resource,
      attributes.resource,
    );
    const decoded = kinds.decode(attributes.resource, patched);
    if (decoded.error !== undefined)
      throw internalError(`webhook ${JSON.stringify(matched.name)} made an invalid object: ${decoded.error}`);
    kinds.applyDefaults(attributes.resource, decoded.object);
    if (equalJson(decoded.object, object)) return false;
    for (const field of Object.keys(object)) delete object[field];
    Object.assign(object, decoded.object);
    return true;
  }

  /** The `response` of an allowed request; undefined when a failed call may be ignored. */
  async #ask(
    matched: Matched,
    attributes: AdmissionAttributes,
    kind: 'mutating' | 'validating',
  ): Promise<JsonObject | undefined> {
    const { webhook, name } = matched;
    const { context } = attributes;
    if (context.dryRun && !['None', 'NoneOnDryRun'].includes(asString(webhook['sideEffects']) ?? '')) {
      throw badRequest(`admission webhook ${JSON.stringify(name)} does not support dry run`);
    }
    const uid = randomUUID();
    let response: JsonObject;
    try {
      const answer = asObject(await this.#caller.call(webhook, reviewOf(uid, matched.resource, attributes)));
      response = checkedResponse(answer, uid);
    } catch (error) {
      if (error instanceof KubeStatusError) throw error;
      const why = error instanceof Error ? error.message : String(error);
      if (webhook['failurePolicy'] === 'Ignore') {
        this.#machinery.log.warn('admission webhook failed and is ignored', { webhook: name, kind, error });
        return undefined;
      }
      throw internalError(`failed calling webhook ${JSON.stringify(name)}: failed to call webhook: ${why}`);
    }
    context.warnings.push(...asArray(response['warnings']).map(String));
    if (response['allowed'] !== true) throw denial(name, asObject(response['status']));
    return response;
  }
}

function reviewOf(uid: string, matched: Resource, attributes: AdmissionAttributes): JsonObject {
  const { resource, subresource, operation, context, object, oldObject, namespace, name, options } = attributes;
  const kindOf = (one: Resource): JsonObject => ({ group: one.group, version: one.version, kind: one.kind });
  const pathOf = (one: Resource): JsonObject => ({ group: one.group, version: one.version, resource: one.plural });
  const { user } = context;
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid,
      kind: kindOf(matched),
      resource: pathOf(matched),
      ...(subresource === undefined ? {} : { subResource: subresource }),
      requestKind: kindOf(resource),
      requestResource: pathOf(resource),
      ...(subresource === undefined ? {} : { requestSubResource: subresource }),
      ...(name === '' ? {} : { name }),
      ...(namespace === undefined ? {} : { namespace }),
      operation,
      userInfo: {
        username: user.username,
        ...(user.uid === undefined ? {} : { uid: user.uid }),
        groups: user.groups,
        ...(user.extra === undefined ? {} : { extra: user.extra }),
      },
      object: object === undefined ? null : converted(object, resource, matched),
      oldObject: oldObject === undefined ? null : converted(oldObject, resource, matched),
      dryRun: context.dryRun,
      options,
    },
  };
}

function converted(object: KubeObject, from: Resource, to: Resource): KubeObject {
  if (from === to) return object;
  return toRequested(to, { ...toStored(from, object), apiVersion: groupVersion(to.group, to.version) });
}

/** A patch that doesn't fit is the webhook's fault, so it's the server's error; which operation failed is found one by one. */
function applyAnswer(kinds: Machinery['kinds'], document: KubeObject, patch: unknown): KubeObject {
  try {
    return kinds.applyJsonPatch(document, patch);
  } catch (error) {
    if (!(error instanceof KubeStatusError)) throw error;
    let present = document;
    for (const operation of asArray(patch)) {
      try {
        present = kinds.applyJsonPatch(present, [operation]);
      } catch {
        throw internalError(patchProblem(asObject(operation) ?? {}));
      }
    }
    throw internalError(error.message);
  }
}

function patchProblem(operation: JsonObject): string {
  const path = asString(operation['path']) ?? '';
  switch (operation['op']) {
    case 'remove':
      return `error in remove for path: '${path}': Unable to remove nonexistent key: ${path.split('/').at(-1)}: missing value`;
    case 'replace':
      return `replace operation does not apply: doc is missing key: ${path}: missing value`;
    case 'add':
      return `add operation does not apply: doc is missing path: ${JSON.stringify(path)}: missing value`;
    case 'test':
      return `testing value ${path} failed: test failed`;
    default:
      return `Unexpected kind: ${String(operation['op'])}`;
  }
}

function checkedResponse(answer: JsonObject | undefined, uid: string): JsonObject {
  if (answer?.['kind'] !== 'AdmissionReview' || answer['apiVersion'] !== 'admission.k8s.io/v1') {
    throw new Error(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(answer?.['apiVersion'])}, Kind=${String(answer?.['kind'])}`,
    );
  }
  const response = asObject(answer['response']);
  if (response === undefined) throw new Error('webhook response was absent');
  if (response['uid'] !== uid)
    throw new Error(`expected response.uid=${JSON.stringify(uid)}, got ${JSON.stringify(response['uid'])}`);
  return response;
}

function parsePatch(name: string, encoded: string): unknown {
  try {
    return JSON.parse(Buffer.from(encoded, 'base64').toString('utf8'));
  } catch {
    throw internalError(`webhook ${JSON.stringify(name)} answered with a patch that is not base64 of JSON`);
  }
}

/** The webhook's own status, made a failure with its name in front. */
function denial(name: string, given: JsonObject | undefined): KubeStatusError {
  const deniedBy = `admission webhook ${JSON.stringify(name)} denied the request`;
  const message = asString(given?.['message']) ?? '';
  const reason = asString(given?.['reason']);
  const text =
    message !== ''
      ? `${deniedBy}: ${message}`
      : reason !== undefined
        ? `${deniedBy}: ${reason}`
        : `${deniedBy} without explanation`;
  const code = asNumber(given?.['code']) ?? 0;
  const details = asObject(given?.['details']) as Status['details'];
  return failure(code < 400 ? 400 : code, reason, text, details);
}
