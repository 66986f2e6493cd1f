/** Between the version that a request speaks and the one that is stored. */
import { groupVersion, type Resource } from './resources.ts';
import type { KubeObject } from './types.ts';

/** The stored object as `resource`'s version shows it: a shallow copy, or the same object when nothing differs. */
export function toRequested(resource: Resource, stored: KubeObject): KubeObject {
  if (resource.convert !== undefined) return resource.convert.read(stored);
  const apiVersion = groupVersion(resource.group, resource.version);
  return stored.apiVersion === apiVersion ? stored : { ...stored, apiVersion };
}

/** What is stored for an object that a client gave in `resource`'s version. */
export function toStored(resource: Resource, given: KubeObject): KubeObject {
  if (resource.convert !== undefined) return resource.convert.write(given);
  const apiVersion = groupVersion(resource.group, resource.storageVersion);
  return given.apiVersion === apiVersion ? given : { ...given, apiVersion };
}
