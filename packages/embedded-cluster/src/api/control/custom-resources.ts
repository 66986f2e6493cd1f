/**
 * Makes CustomResourceDefinitions real: accepts their names, serves their versions, and on deletion removes their objects first.
 * A definition is served within the write that created it.
 */
import { asArray, asObject, asString, cloneJson, equalJson, type JsonObject } from '../json.ts';
import { deleteObject, CUSTOM_CLEANUP_FINALIZER } from '../delete.ts';
import { timestamp, type Machinery, type RequestContext } from '../machinery.ts';
import { compareVersions, type Resource, type ScalePaths, type Subresource, type Verb } from '../resources.ts';
import { hasReason } from '../status-error.ts';
import type { StoredEvent } from '../store.ts';
import type { KubeObject } from '../types.ts';
import { WorkQueue } from './work-queue.ts';

export const CRD_BUCKET = 'apiextensions.k8s.io/customresourcedefinitions';
/** In the order of the discovery documents of custom resources. */
const CUSTOM_VERBS: readonly Verb[] = [
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'create',
  'update',
  'watch',
];
const READ_WRITE: readonly Verb[] = ['get', 'patch', 'update'];

const CONTEXT: RequestContext = {
  user: { username: 'system:apiserver', groups: ['system:masters'] },
  manager: 'kube-apiserver',
  dryRun: false,
  fieldValidation: 'Ignore',
  warnings: [],
};

export class CustomResources {
  readonly #machinery: Machinery;
  readonly #cleanup: WorkQueue;
  /** The spec by which each definition is served now: status changes of a definition change nothing. */
  readonly #served = new Map<string, unknown>();
  readonly #unsubscribe: (() => void)[] = [];

  constructor(machinery: Machinery) {
    this.#machinery = machinery;
    this.#cleanup = new WorkQueue({
      work: (name) => this.#removeObjects(name),
      clock: machinery.clock,
      log: machinery.log,
    });
  }

  start(): void {
    const { store } = this.#machinery;
    for (const [, definition] of store.iterate(CRD_BUCKET)) this.#serve(definition);
    this.#unsubscribe.push(
      store.subscribe(CRD_BUCKET, (event) => this.#onDefinition(event)),
      store.subscribeAll((bucket, event) => {
        if (event.type === 'DELETED') this.#onObjectGone(bucket);
      }),
    );
  }

  async stop(): Promise<void> {
    for (const end of this.#unsubscribe) end();
    await this.#cleanup.stop();
  }

  #onDefinition(event: StoredEvent): void {
    const name = event.object.metadata.name ?? '';
    if (event.type === 'DELETED') {
      this.#served.delete(name);
      this.#machinery.resources.replaceCustom(name, []);
      return;
    }
    this.#serve(event.object);
  }

  #serve(definition: KubeObject): void {
    const { resources, store } = this.#machinery;
    const name = definition.metadata.name ?? '';
    const problem = nameConflict(resources.all(), definition);
    if (problem === undefined && !equalJson(this.#served.get(name), definition['spec'])) {
      this.#served.set(name, definition['spec']);
      resources.replaceCustom(name, servedVersions(definition));
      this.#applyNewDefaults(name);
    }
    if (definition.metadata.deletionTimestamp !== undefined) this.#cleanup.add(name);
    const status = statusOf(definition, problem, timestamp(this.#machinery.clock));
    if (equalJson(status, definition['status'])) return;
    // Not inside the write that is being announced: events must reach watchers in order.
    queueMicrotask(() => {
      const live = store.get(CRD_BUCKET, name);
      if (live === undefined || live.metadata.uid !== definition.metadata.uid) return;
      const fresh = statusOf(live, problem, timestamp(this.#machinery.clock));
      if (equalJson(fresh, live['status'])) return;
      const after: KubeObject = { ...cloneJson(live), status: fresh };
      const now = timestamp(this.#machinery.clock);
      const resource = resources.stored().find((one) => one.bucket === CRD_BUCKET);
      if (resource !== undefined) {
        this.#machinery.kinds.recordManager({
          resource,
          subresource: 'status',
          before: live,
          after,
          manager: CONTEXT.manager,
          now,
        });
      }
      store.commit(CRD_BUCKET, name, after);
    });
  }

  /** Kubernetes fills in defaults whenever it reads; here stored objects get new ones when the schema changes, as silently. */
  #applyNewDefaults(name: string): void {
    const { store, resources, kinds } = this.#machinery;
    const resource = resources.stored().find((one) => one.custom?.crdName === name);
    if (resource === undefined) return;
    for (const [id, object] of store.iterate(resource.bucket)) {
      const copy = cloneJson(object);
      kinds.applyDefaults(resource, copy);
      if (!equalJson(copy, object)) store.restore(resource.bucket, id, copy);
    }
  }

  #onObjectGone(bucket: string): void {
    const resource = this.#machinery.resources.all().find((one) => one.bucket === bucket && one.custom !== undefined);
    if (resource?.custom === undefined) return;
    const definition = this.#machinery.store.get(CRD_BUCKET, resource.custom.crdName);
    if (definition?.metadata.deletionTimestamp !== undefined) this.#cleanup.add(resource.custom.crdName);
  }

  async #removeObjects(name: string): Promise<void> {
    const { store, resources } = this.#machinery;
    const definition = store.get(CRD_BUCKET, name);
    if (definition?.metadata.deletionTimestamp === undefined) return;
    if (definition.metadata.finalizers?.includes(CUSTOM_CLEANUP_FINALIZER) !== true) return;
    const resource = resources.stored().find((one) => one.custom?.crdName === name);
    if (resource !== undefined) {
      for (const [, object] of store.iterate(resource.bucket)) {
        if (object.metadata.deletionTimestamp !== undefined) continue;
        const target = { resource, namespace: object.metadata.namespace, name: object.metadata.name ?? '' };
        await deleteObject(this.#machinery, { ...CONTEXT, warnings: [] }, target, {}).catch((error: unknown) => {
          if (!hasReason(error, 'NotFound')) throw error;
        });
      }
      if (store.count(resource.bucket) > 0) return;
    }
    const live = store.get(CRD_BUCKET, name);
    if (live === undefined) return;
    const copy = cloneJson(live);
    copy.metadata.finalizers = (copy.metadata.finalizers ?? []).filter((one) => one !== CUSTOM_CLEANUP_FINALIZER);
    if (copy.metadata.finalizers.length === 0) store.commit(CRD_BUCKET, name, undefined);
    else store.commit(CRD_BUCKET, name, copy);
  }
}

/** The sentence that the NamesAccepted condition says when another resource has a name already. */
function nameConflict(all: readonly Resource[], definition: KubeObject): string | undefined {
  const spec = asObject(definition['spec']) ?? {};
  const names = asObject(spec['names']) ?? {};
  const others = all.filter((one) => one.group === spec['group'] && one.custom?.crdName !== definition.metadata.name);
  const kind = asString(names['kind']) ?? '';
  if (others.some((one) => one.kind === kind || one.listKind === kind))
    return `${JSON.stringify(kind)} is already in use`;
  const plural = asString(names['plural']) ?? '';
  const taken = new Set(others.flatMap((one) => [one.plural, one.singular, ...one.shortNames]));
  const wanted = [plural, asString(names['singular']) ?? '', ...asArray(names['shortNames']).map(String)];
  const found = wanted.find((name) => taken.has(name));
  return found === undefined ? undefined : `${JSON.stringify(found)} is already in use`;
}

function statusOf(definition: KubeObject, problem: string | undefined, now: string): JsonObject {
  const spec = asObject(definition['spec']) ?? {};
  const old = asObject(definition['status']) ?? {};
  const names = asObject(spec['names']) ?? {};
  const conditions = asArray(old['conditions']).map((one) => asObject(one) ?? {});
  const accepted =
    problem === undefined
      ? { type: 'NamesAccepted', status: 'True', reason: 'NoConflicts', message: 'no conflicts found' }
      : { type: 'NamesAccepted', status: 'False', reason: 'MultipleNamesNotAllowed', message: problem };
  const established =
    problem === undefined
      ? {
          type: 'Established',
          status: 'True',
          reason: 'InitialNamesAccepted',
          message: 'the initial names have been accepted',
        }
      : { type: 'Established', status: 'False', reason: 'NotAccepted', message: 'not all names are accepted' };
  const wanted: JsonObject[] = [accepted, established];
  if (definition.metadata.deletionTimestamp !== undefined) {
    wanted.push({
      type: 'Terminating',
      status: 'True',
      reason: 'InstanceDeletionInProgress',
      message: 'CustomResource deletion is in progress',
    });
  }
  const storage = storageVersion(spec);
  const stored = asArray(old['storedVersions']);
  return {
    acceptedNames: problem === undefined ? names : (old['acceptedNames'] ?? { plural: '', kind: '' }),
    conditions: wanted.map((condition) => {
      const before = conditions.find((one) => one['type'] === condition['type']);
      const same = before?.['status'] === condition['status'];
      return { lastTransitionTime: same ? before?.['lastTransitionTime'] : now, ...condition };
    }),
    storedVersions: storage === undefined || stored.includes(storage) ? stored : [...stored, storage],
  };
}

function storageVersion(spec: JsonObject): string | undefined {
  const found = asArray(spec['versions']).find((one) => asObject(one)?.['storage'] === true);
  return asString(asObject(found)?.['name']);
}

function servedVersions(definition: KubeObject): readonly Resource[] {
  const spec = asObject(definition['spec']) ?? {};
  return asArray(spec['versions'])
    .map((one) => asObject(one) ?? {})
    .filter((version) => version['served'] === true)
    .map((version) => customResource(definition, spec, version));
}

function customResource(definition: KubeObject, spec: JsonObject, version: JsonObject): Resource {
  const names = asObject(spec['names']) ?? {};
  const group = asString(spec['group']) ?? '';
  const plural = asString(names['plural']) ?? '';
  const kind = asString(names['kind']) ?? '';
  const subresources = asObject(version['subresources']) ?? {};
  const scale = asObject(subresources['scale']);
  const list: Subresource[] = [];
  if (asObject(subresources['status']) !== undefined) list.push({ name: 'status', kind, verbs: READ_WRITE });
  if (scale !== undefined) {
    list.push({ name: 'scale', kind: 'Scale', group: 'autoscaling', version: 'v1', verbs: READ_WRITE });
  }
  const name = asString(version['name']) ?? '';
  return {
    group,
    version: name,
    plural,
    singular: asString(names['singular']) ?? kind.toLowerCase(),
    kind,
    listKind: asString(names['listKind']) ?? `${kind}List`,
    namespaced: spec['scope'] === 'Namespaced',
    shortNames: asArray(names['shortNames']).map(String),
    categories: asArray(names['categories']).map(String),
    verbs: CUSTOM_VERBS,
    subresources: list,
    bucket: `${group}/${plural}`,
    storageVersion: storageVersion(spec) ?? name,
    createOnUpdate: false,
    unconditionalUpdate: false,
    hasGeneration: true,
    returnsDeleted: false,
    scale: scale === undefined ? undefined : scalePaths(scale),
    custom: {
      crdName: definition.metadata.name ?? '',
      schema: asObject(asObject(version['schema'])?.['openAPIV3Schema']),
      preserveUnknownFields: spec['preserveUnknownFields'] === true,
      printerColumns: asArray(version['additionalPrinterColumns']).map((one) => asObject(one) ?? {}),
      selectableFields: asArray(version['selectableFields']).map((one) =>
        (asString(asObject(one)?.['jsonPath']) ?? '').replace(/^\./, ''),
      ),
      deprecationWarning: deprecation(spec, version, group, kind),
    },
    convert: undefined,
  };
}

function deprecation(spec: JsonObject, version: JsonObject, group: string, kind: string): string | undefined {
  if (version['deprecated'] !== true) return undefined;
  const said = asString(version['deprecationWarning']);
  if (said !== undefined) return said;
  const better = asArray(spec['versions'])
    .map((one) => asObject(one) ?? {})
    .filter((one) => one['served'] === true && one['deprecated'] !== true)
    .map((one) => asString(one['name']) ?? '')
    .sort(compareVersions)
    .find((name) => compareVersions(name, asString(version['name']) ?? '') < 0);
  const text = `${group}/${String(version['name'])} ${kind} is deprecated`;
  return better === undefined ? text : `${text}; use ${group}/${better} ${kind}`;
}

function scalePaths(scale: JsonObject): ScalePaths {
  const path = (field: string): readonly string[] | undefined =>
    asString(scale[field])
      ?.split('.')
      .filter((part) => part !== '');
  return {
    specReplicas: path('specReplicasPath') ?? ['spec', 'replicas'],
    statusReplicas: path('statusReplicasPath') ?? ['status', 'replicas'],
    labelSelector: path('labelSelectorPath'),
  };
}
