/**
 * Which resources the server has: how each is named, where its objects are stored and which rules its kind follows.
 * Built-in ones come from `builtin-resources.ts`; custom ones come and go with their CustomResourceDefinitions.
 */
import type { KubeObject, ResourceRef } from './types.ts';

export type Verb = 'create' | 'delete' | 'deletecollection' | 'get' | 'list' | 'patch' | 'update' | 'watch';

export const ALL_VERBS: readonly Verb[] = [
  'create',
  'delete',
  'deletecollection',
  'get',
  'list',
  'patch',
  'update',
  'watch',
];

/** A path below an object, such as `status` or `scale`. */
export interface Subresource {
  readonly name: string;
  /** The kind it takes and gives; its own group and version when they aren't the resource's. */
  readonly kind: string;
  readonly group?: string;
  readonly version?: string;
  readonly verbs: readonly Verb[];
}

/** Where `scale` reads and writes, as paths of member names. */
export interface ScalePaths {
  readonly specReplicas: readonly string[];
  readonly statusReplicas: readonly string[];
  readonly labelSelector: readonly string[] | undefined;
}

/** What a custom resource's version adds: its schema, untyped here; `crd/` reads it. */
export interface CustomVersion {
  readonly crdName: string;
  readonly schema: Readonly<Record<string, unknown>> | undefined;
  readonly preserveUnknownFields: boolean;
  readonly printerColumns: readonly Readonly<Record<string, unknown>>[];
  readonly selectableFields: readonly string[];
  readonly deprecationWarning: string | undefined;
}

export interface Resource {
  readonly group: string;
  readonly version: string;
  readonly plural: string;
  readonly singular: string;
  readonly kind: string;
  readonly listKind: string;
  readonly namespaced: boolean;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly verbs: readonly Verb[];
  readonly subresources: readonly Subresource[];
  /** The bucket of the store; versions of one resource share it. */
  readonly bucket: string;
  /** The version that is stored; others are converted when read. */
  readonly storageVersion: string;
  /** PUT on a missing name creates. */
  readonly createOnUpdate: boolean;
  /** PUT without a resourceVersion overwrites. */
  readonly unconditionalUpdate: boolean;
  /** `metadata.generation` counts changes of the desired state. */
  readonly hasGeneration: boolean;
  /** DELETE answers with the last state instead of a Status. */
  readonly returnsDeleted: boolean;
  readonly scale: ScalePaths | undefined;
  readonly custom: CustomVersion | undefined;
  /** From the stored form to this version and back, where more than `apiVersion` differs. */
  readonly convert:
    | { readonly read: (stored: KubeObject) => KubeObject; readonly write: (given: KubeObject) => KubeObject }
    | undefined;
}

export function groupVersion(group: string, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** `apps/v1` to its parts; the core group is ''. */
export function splitGroupVersion(apiVersion: string): { group: string; version: string } {
  const slash = apiVersion.indexOf('/');
  return slash < 0
    ? { group: '', version: apiVersion }
    : { group: apiVersion.slice(0, slash), version: apiVersion.slice(slash + 1) };
}

/** All that is served now; changes of custom resources replace whole entries. */
export class ResourceTable {
  readonly #byPath = new Map<string, Resource>();
  readonly #byKind = new Map<string, Resource>();
  readonly #groups: string[] = [];
  readonly #listeners = new Set<() => void>();
  #revision = 0;

  constructor(resources: Iterable<Resource>) {
    for (const resource of resources) this.#add(resource);
  }

  /** Rises with each change: caches of discovery and OpenAPI documents compare it. */
  get revision(): number {
    return this.#revision;
  }

  find(ref: ResourceRef): Resource | undefined {
    return this.#byPath.get(pathKey(ref));
  }

  findKind(apiVersion: string, kind: string): Resource | undefined {
    return this.#byKind.get(`${apiVersion}/${kind}`);
  }

  /** A version of that resource, any, for those who know only group and plural. */
  findAnyVersion(group: string, plural: string): Resource | undefined {
    return this.all().find((resource) => resource.group === group && resource.plural === plural);
  }

  all(): readonly Resource[] {
    return [...this.#byPath.values()];
  }

  /** One resource per bucket, in its storage version. */
  stored(): readonly Resource[] {
    return this.all().filter((resource) => resource.version === resource.storageVersion);
  }

  hasGroup(group: string): boolean {
    return this.all().some((resource) => resource.group === group);
  }

  hasGroupVersion(group: string, version: string): boolean {
    return this.all().some((resource) => resource.group === group && resource.version === version);
  }

  /** Group names in the order of their first registration. */
  groups(): readonly string[] {
    return this.#groups.filter((group) => this.hasGroup(group));
  }

  /** Versions of a group by priority: stable before beta before alpha, higher first. */
  versions(group: string): readonly string[] {
    const versions = new Set(
      this.all()
        .filter((r) => r.group === group)
        .map((r) => r.version),
    );
    return [...versions].sort(compareVersions);
  }

  /** Replaces the versions that a CRD serves; an empty list removes it. */
  replaceCustom(crdName: string, resources: readonly Resource[]): void {
    for (const [key, resource] of this.#byPath) {
      if (resource.custom?.crdName !== crdName) continue;
      this.#byPath.delete(key);
      this.#byKind.delete(`${groupVersion(resource.group, resource.version)}/${resource.kind}`);
    }
    for (const resource of resources) this.#add(resource);
    this.#changed();
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #add(resource: Resource): void {
    this.#byPath.set(pathKey(resource), resource);
    this.#byKind.set(`${groupVersion(resource.group, resource.version)}/${resource.kind}`, resource);
    if (!this.#groups.includes(resource.group)) this.#groups.push(resource.group);
  }

  #changed(): void {
    this.#revision += 1;
    for (const listener of this.#listeners) listener();
  }
}

function pathKey(ref: ResourceRef): string {
  return `${ref.group}/${ref.version}/${ref.plural}`;
}

/** Kubernetes' order of versions: v2 > v1 > v1beta2 > v1beta1 > v1alpha1 > anything else by name. */
export function compareVersions(a: string, b: string): number {
  const left = rankVersion(a);
  const right = rankVersion(b);
  if (left === undefined || right === undefined) {
    if (left === undefined && right === undefined) return a < b ? -1 : a > b ? 1 : 0;
    return left === undefined ? 1 : -1;
  }
  return right.stability - left.stability || right.major - left.major || right.minor - left.minor;
}

function rankVersion(version: string): { stability: number; major: number; minor: number } | undefined {
  const match = /^v(\d+)(?:(alpha|beta)(\d+))?$/.exec(version);
  if (match === null) return undefined;
  const stability = match[2] === undefined ? 2 : match[2] === 'beta' ? 1 : 0;
  return { stability, major: Number(match[1]), minor: Number(match[3] ?? 0) };
}
