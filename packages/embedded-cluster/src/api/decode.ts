/** From a request's body to an object that the rest of the machinery can trust in form. */
import { asObject } from './json.ts';
import type { Machinery, RequestContext } from './machinery.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status-error.ts';
import type { KubeObject } from './types.ts';

/**
 * Drops fields that the kind doesn't have. Strict requests are refused with 400 for them, Warn requests get one
 * warning each (KEP-2885).
 */
export function decodeObject(machinery: Machinery, context: RequestContext, resource: Resource, object: KubeObject): void {
  if (asObject(object.metadata) === undefined) object.metadata = {};
  const unknown = machinery.kinds.pruneUnknown(resource, object);
  if (unknown.length === 0) return;
  reportUnknown(context, resource, unknown);
}

function reportUnknown(context: RequestContext, resource: Resource, unknown: readonly string[]): void {
  const texts = unknown.map((field) => (field.includes(' ') ? field : `unknown field "${field}"`));
  if (context.fieldValidation === 'Warn') context.warnings.push(...texts);
  if (context.fieldValidation !== 'Strict') return;
  const joined = texts.join(', ');
  // Custom resources are decoded untyped, so the message has no "in version …" preamble.
  throw badRequest(
    resource.custom === undefined
      ? `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: strict decoding error: ${joined}`
      : `strict decoding error: ${joined}`,
  );
}
