/** Lists: selection, consistent paging, and resource versions that a client may ask for. */
import type { Machinery } from './machinery.ts';
import { groupVersion, type Resource } from './resources.ts';
import { selectionOf } from './selectors.ts';
import { badRequest, failure, gone, invalid } from './status-error.ts';
import type { KubeList, KubeObject, ListMeta, ListOptions } from './types.ts';
import { toRequested } from './versions.ts';

interface ContinueToken {
  readonly v: 'meta.k8s.io/v1';
  readonly rv: number;
  readonly start: string;
}

const CONTINUE_EXPIRED =
  'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.';

/** Items are the stored objects in the requested version: not to be changed. */
export function listObjects(machinery: Machinery, resource: Resource, options: ListOptions): KubeList {
  const { store } = machinery;
  const matches = selectionOf(resource, options.labelSelector, options.fieldSelector);
  // "Any version" is answered from memory in Kubernetes, which doesn't page.
  const limit = options.resourceVersion === '0' && (options.continue ?? '') === '' ? 0 : (options.limit ?? 0);
  const token = options.continue === undefined || options.continue === '' ? undefined : decodeContinue(options);
  const wanted = token === undefined ? checkedVersion(machinery, options) : token.rv;
  const version = wanted ?? store.version;
  const entries =
    wanted === undefined
      ? [...store.iterate(resource.bucket, options.namespace)]
      : store.snapshotAt(resource.bucket, wanted, options.namespace);
  if (entries === undefined) {
    throw token === undefined
      ? gone(`The resourceVersion for the provided list is too old.`)
      : expiredContinue(store.version, token);
  }
  const items: KubeObject[] = [];
  let next: string | undefined;
  let remaining = 0;
  for (const [id, stored] of entries) {
    if (token !== undefined && id < token.start) continue;
    const object = toRequested(resource, stored);
    if (matches !== undefined && !matches(object)) continue;
    if (limit > 0 && items.length >= limit) {
      next ??= id;
      remaining += 1;
      continue;
    }
    items.push(object);
  }
  const meta: ListMeta = { resourceVersion: String(version) };
  if (next !== undefined) {
    meta.continue = encodeContinue({ v: 'meta.k8s.io/v1', rv: version, start: next });
    // A selection can't be counted without reading on, so the real API leaves the count out; so do we.
    if (matches === undefined) meta.remainingItemCount = remaining;
  }
  // Lists of custom resources are untyped and show the empty token.
  if (resource.custom !== undefined) meta.continue ??= '';
  return { kind: resource.listKind, apiVersion: groupVersion(resource.group, resource.version), metadata: meta, items };
}

/** The version to list exactly at, or undefined for the newest. */
function checkedVersion(machinery: Machinery, options: ListOptions): number | undefined {
  const { resourceVersion: text = '', resourceVersionMatch: match = '' } = options;
  if (match !== '') checkMatch(text, match);
  if (text === '' || text === '0') return undefined;
  const version = parseVersion(text);
  if (version > machinery.store.version) throw tooLarge(version, machinery.store.version);
  return match === 'Exact' || (match === '' && (options.limit ?? 0) > 0) ? version : undefined;
}

function checkMatch(version: string, match: string): void {
  const problem =
    match !== 'Exact' && match !== 'NotOlderThan'
      ? {
          reason: 'FieldValueNotSupported',
          message: `Unsupported value: ${JSON.stringify(match)}: supported values: "Exact", "NotOlderThan", ""`,
        }
      : version === ''
        ? {
            reason: 'FieldValueForbidden',
            message: 'Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
          }
        : match === 'Exact' && version === '0'
          ? {
              reason: 'FieldValueForbidden',
              message: 'Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
            }
          : undefined;
  if (problem !== undefined)
    throw invalid({ group: 'meta.k8s.io', kind: 'ListOptions' }, '', [{ ...problem, field: 'resourceVersionMatch' }]);
}

export function parseVersion(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw badRequest(`invalid resource version: ${versionProblem(text)}`);
}

export function versionProblem(text: string): string {
  const quoted = JSON.stringify(text);
  return `resourceVersion: Invalid value: ${quoted}: strconv.ParseUint: parsing ${quoted}: invalid syntax`;
}

export function tooLarge(version: number, current: number): Error {
  const message = `Timeout: Too large resource version: ${version}, current: ${current}`;
  return failure(504, 'Timeout', message, {
    causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    retryAfterSeconds: 1,
  });
}

function encodeContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url');
}

function decodeContinue(options: ListOptions): ContinueToken {
  if ((options.resourceVersion ?? '') !== '' && options.resourceVersion !== '0') {
    throw badRequest('specifying resource version is not allowed when using continue');
  }
  try {
    const token = JSON.parse(Buffer.from(options.continue ?? '', 'base64url').toString()) as ContinueToken;
    if (token.v === 'meta.k8s.io/v1' && typeof token.rv === 'number' && typeof token.start === 'string') return token;
  } catch {
    // Anything but our own token is answered below.
  }
  throw badRequest('invalid continue token: continue key is not valid: unrecognized or damaged token');
}

function expiredContinue(version: number, token: ContinueToken): Error {
  const error = gone(CONTINUE_EXPIRED);
  error.status.metadata = { continue: encodeContinue({ ...token, rv: version }) };
  return error;
}
