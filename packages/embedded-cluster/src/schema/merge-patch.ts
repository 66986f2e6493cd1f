/** JSON Merge Patch (RFC 7386) with the API server's answers. */
import { cloneJson, goJsonKind, isObject, ownValue, setOwn, type JsonObject } from './json.ts';
import { PatchError } from './patch-error.ts';

/**
 * Applies a merge patch to a copy of `document`.
 * @throws PatchError `patch_malformed` when the patch is not an object: objects are all that the API stores.
 */
export function applyMergePatch(document: JsonObject, patch: unknown): JsonObject {
  if (patch === null || patch === undefined) throw new PatchError('patch_malformed', 'Invalid JSON Patch');
  if (!isObject(patch)) {
    throw new PatchError(
      'patch_malformed',
      `error decoding patch: json: cannot unmarshal ${goJsonKind(patch)} into Go value of type map[string]interface {}`,
    );
  }
  return merge(document, patch);
}

function merge(target: unknown, patch: JsonObject): JsonObject {
  const result = isObject(target) ? cloneJson(target) : {};
  for (const key of Object.keys(patch)) {
    const value = patch[key];
    if (value === null) delete result[key];
    else setOwn(result, key, isObject(value) ? merge(ownValue(result, key), value) : cloneJson(value));
  }
  return result;
}
