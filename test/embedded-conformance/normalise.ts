/** Makes transcripts of different clusters comparable: what must differ is replaced by what it stands for. */
import type { Step } from './api-caller.ts';

const UID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;
const TIME = /\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g;
const TOKEN = /\beyJ[\w-]+\.[\w-]+\.[\w-]+/g;

export interface Replacement {
  readonly pattern: RegExp | string;
  readonly by: string;
}

/**
 * Uids and objects' resource versions become numbers in the order of their first appearance, so that "the same" and "a new one" stay
 * visible; versions of lists, times, tokens, addresses and generated suffixes become placeholders.
 */
export function normalise(steps: readonly Step[], replacements: readonly Replacement[]): Step[] {
  const uids = new Map<string, string>();
  const versions = new Map<string, string>();
  const text = (value: string): string => {
    let result = value;
    for (const { pattern, by } of replacements) result = result.replaceAll(pattern, by);
    return (
      result
        .replaceAll(TOKEN, '<token>')
        .replaceAll(/X509SHA256=[0-9a-f]{64}/g, 'X509SHA256=<hash>')
        .replaceAll(TIME, '<time>')
        .replaceAll(UID, (uid) => numbered(uids, uid, 'uid'))
        .replaceAll(/(too old resource version: \d+ \()\d+/g, '$1<version>')
        .replaceAll(/(Too large resource version: \d+, current: )\d+/g, '$1<version>')
        .replaceAll(
          /(RV in precondition|ResourceVersion in precondition|ResourceVersion in object meta): \d+/g,
          '$1: <version>',
        )
        .replaceAll(/(continue key is not valid: ).*/gs, '$1<why>')
        .replaceAll(/(match the ResourceVersion in record \()\d+/g, '$1<version>')
        // The text of a whole patched object: its member order is the server's own affair.
        .replaceAll(/Invalid value: "\{.*\}": (json: |strict )/gs, 'Invalid value: "<patched object>": $1')
        .replaceAll(/\b(generated-|kube-api-access-)[a-z0-9]{5}\b/g, '$1<suffix>')
    );
  };
  const walk = (value: unknown, key: string, parent: Record<string, unknown> | undefined, isList: boolean): unknown => {
    if (typeof value === 'string') {
      if (key === 'resourceVersion' && value !== '')
        return isObjectMeta(parent) && !isList ? numbered(versions, value, 'version') : '<list version>';
      // Columns are described by sentences of their own.
      if (key === 'description' && parent?.['priority'] !== undefined) return '<description>';
      if (/^(\d+[smh])+$/.test(value)) return '<age>';
      if (key === 'continue') return '<continue>';
      if (key === 'clusterIP' && /^\d+\./.test(value)) return '<ip>';
      return text(value);
    }
    if (key === 'nodePort' && typeof value === 'number') return '<port>';
    if (key === 'remainingItemCount') return value;
    // Entries are sorted by time first, in whole seconds: their order depends on when a second ends.
    if (key === 'managedFields' && Array.isArray(value)) {
      const entries = value.map((entry) => walk(entry, '', undefined, false));
      return entries
        .map((entry) => [JSON.stringify(entry), entry] as const)
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(([, entry]) => entry);
    }
    if (Array.isArray(value))
      return value.map((item) => (key === 'clusterIPs' && item !== 'None' ? '<ip>' : walk(item, '', undefined, false)));
    if (typeof value !== 'object' || value === null) return value;
    const object = value as Record<string, unknown>;
    const result: Record<string, unknown> = {};
    // The order of first appearance must not depend on the order in which a server writes members.
    for (const name of Object.keys(object).sort()) {
      const listMeta = name === 'metadata' && (Array.isArray(object['items']) || Array.isArray(object['rows']));
      result[text(name)] = walk(
        object[name],
        name,
        name === 'metadata' ? (object[name] as Record<string, unknown>) : object,
        listMeta || (isList && key === 'metadata'),
      );
    }
    return result;
  };
  return steps.map((step) => ({
    name: text(step.name),
    request: text(step.request)
      .replaceAll(/resourceVersion=\d{2,}/g, 'resourceVersion=<version>')
      .replaceAll(/continue=[^&]+/g, 'continue=<continue>'),
    code: step.code,
    ...(step.warnings === undefined ? {} : { warnings: step.warnings.map(text) }),
    body: sortCauses(walk(step.body, '', undefined, false)),
  }));
}

/** Several problems of one object come in any order (the real API's changes from call to call), in the causes and in the message. */
function sortCauses(body: unknown): unknown {
  const status = body as { kind?: string; message?: string; details?: { causes?: unknown[] } } | null;
  const causes = status?.details?.causes;
  if (status?.kind !== 'Status' || causes === undefined || causes.length < 2) return body;
  const sorted = causes.map((cause) => [JSON.stringify(cause), cause] as const).sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    ...status,
    message: status.message?.replace(/is invalid: \[.*\]$/s, 'is invalid: [<causes>]'),
    details: { ...status.details, causes: sorted.map(([, cause]) => cause) },
  };
}

function isObjectMeta(parent: Record<string, unknown> | undefined): boolean {
  return parent?.['name'] !== undefined || parent?.['uid'] !== undefined;
}

function numbered(known: Map<string, string>, value: string, word: string): string {
  let name = known.get(value);
  if (name === undefined) {
    name = `<${word} ${known.size + 1}>`;
    known.set(value, name);
  }
  return name;
}
