/** From a request's body to an object that the rest of the machinery can trust in form. */
import { asObject } from './json.ts';
import type { Machinery, RequestContext } from './machinery.ts';
import type { Resource } from './resources.ts';
import { badRequest } from './status-error.ts';
import type { KubeObject } from './types.ts';

/**
 * The object with the types of its kind. Fields that the kind doesn't have are dropped; strict requests are refused with 400
 * for them, Warn requests get one warning each (KEP-2885).
 */
export function decodeObject(
  machinery: Machinery,
  context: RequestContext,
  resource: Resource,
  given: KubeObject,
): KubeObject {
  if (asObject(given.metadata) === undefined) given.metadata = {};
  const { object, unknownFields, error } = machinery.kinds.decode(resource, given);
  if (error !== undefined) throw badRequest(error);
  const problems = [...(context.bodyProblems ?? []), ...unknownFields];
  if (problems.length > 0) reportProblems(context, resource, problems);
  return object;
}

function reportProblems(context: RequestContext, resource: Resource, problems: readonly string[]): void {
  if (context.fieldValidation === 'Warn') context.warnings.push(...problems);
  if (context.fieldValidation !== 'Strict') return;
  const text = `strict decoding error: ${problems.join(', ')}`;
  throw badRequest(
    `${resource.kind} in version "${resource.version}" cannot be handled as a ${resource.kind}: ${text}`,
  );
}
