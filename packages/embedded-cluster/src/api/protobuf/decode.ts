/**
 * Reads request bodies of type `application/vnd.kubernetes.protobuf`, which kubectl sends for the kinds that it has Go
 * types for. Answers are always JSON: every such client accepts both.
 *
 *   bytes 0-3   6b 38 73 00 ("k8s\0")
 *   then        runtime.Unknown { 1: TypeMeta, 2: raw object, 3: contentEncoding, 4: contentType }
 *
 * Go writes members that aren't pointers even when they are zero, and nothing tells them apart on the wire; zero values are
 * dropped unless the member is known to be a pointer whose zero has a meaning.
 */
import { readFileSync } from 'node:fs';
import { badRequest, unsupportedMediaType } from '../status-error.ts';
import { splitGroupVersion } from '../resources.ts';
import { WireReader } from './wire-reader.ts';

type Field = readonly [name: string, kind: string];
type Messages = Readonly<Record<string, Readonly<Record<string, Field>>>>;
type JsonMap = Record<string, unknown>;

export const PROTOBUF_TYPE = 'application/vnd.kubernetes.protobuf';
const MAGIC = Buffer.from([0x6b, 0x38, 0x73, 0x00]);
const DEPTH_MAX = 64;

/** Embedded Go structs: on the wire a message, in JSON part of their parent. */
const INLINE = new Set([
  'volumeSource',
  'handler',
  'ephemeralContainerCommon',
  'localObjectReference',
  'persistentVolumeSource',
]);
/** Integers whose zero was meant. */
const MEANT_ZERO = new Set([
  'activeDeadlineSeconds',
  'backoffLimit',
  'completions',
  'fsGroup',
  'gracePeriodSeconds',
  'maxReplicas',
  'minReplicas',
  'parallelism',
  'partition',
  'progressDeadlineSeconds',
  'replicas',
  'revisionHistoryLimit',
  'runAsGroup',
  'runAsUser',
  'terminationGracePeriodSeconds',
  'ttlSecondsAfterFinished',
]);
/** Booleans whose false was meant. */
const MEANT_FALSE = new Set([
  'allocateLoadBalancerNodePorts',
  'allowPrivilegeEscalation',
  'automountServiceAccountToken',
  'controller',
  'blockOwnerDeletion',
  'enableServiceLinks',
  'orphanDependents',
  'runAsNonRoot',
  'suspend',
]);
/** Structs that Go always writes; empty ones say nothing. */
const EMPTY_SAYS_NOTHING = new Set([
  'creationTimestamp',
  'loadBalancer',
  'resources',
  'status',
  'strategy',
  'updateStrategy',
]);

let loaded: Messages | undefined;

function messages(): Messages {
  loaded ??= JSON.parse(readFileSync(new URL('gen/messages.json', import.meta.url), 'utf8')) as Messages;
  return loaded;
}

/** @throws 400 for bytes that aren't what they say, 415 for kinds without a published message (custom resources, CRDs). */
export function decodeProtobuf(body: Buffer): JsonMap {
  if (body.length < MAGIC.length || !body.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw badRequest('provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]');
  }
  try {
    return decodeEnvelope(body.subarray(MAGIC.length));
  } catch (error) {
    if (error instanceof RangeError) throw badRequest(`the protobuf body is damaged: ${error.message}`);
    throw error;
  }
}

function decodeEnvelope(bytes: Uint8Array): JsonMap {
  let apiVersion = '';
  let kind = '';
  let raw: Uint8Array = new Uint8Array();
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) {
      const type = new WireReader(reader.bytes());
      while (type.next()) {
        if (type.field === 1) apiVersion = type.text();
        else if (type.field === 2) kind = type.text();
      }
    } else if (reader.field === 2) raw = reader.bytes();
  }
  const name = messageName(apiVersion, kind);
  if (messages()[name] === undefined) throw unsupportedMediaType('application/json, application/yaml');
  return { apiVersion, kind, ...decodeMessage(name, raw, 0) };
}

function messageName(apiVersion: string, kind: string): string {
  const { group, version } = splitGroupVersion(apiVersion);
  if (kind === 'DeleteOptions') return 'meta.v1.DeleteOptions';
  const short = group === '' ? 'core' : (group.split('.')[0] ?? group);
  return `${short}.${version}.${kind}`;
}

function decodeMessage(name: string, bytes: Uint8Array, depth: number): JsonMap {
  if (depth > DEPTH_MAX) throw new RangeError(`messages are nested deeper than ${DEPTH_MAX}`);
  const fields = messages()[name] ?? {};
  const result: JsonMap = {};
  const reader = new WireReader(bytes);
  while (reader.next()) {
    const field = fields[String(reader.field)];
    if (field === undefined) continue;
    const [key, kind] = field;
    if (kind.startsWith('*')) {
      const list = (result[key] ??= []) as unknown[];
      list.push(decodeValue(kind.slice(1), reader, depth));
    } else if (kind.startsWith('{')) {
      decodeMapEntry((result[key] ??= {}) as JsonMap, kind.slice(1), reader.bytes(), depth);
    } else {
      const value = decodeValue(kind, reader, depth);
      if (INLINE.has(key)) Object.assign(result, value);
      else if (saysSomething(key, value)) result[key] = value;
    }
  }
  return result;
}

function saysSomething(key: string, value: unknown): boolean {
  if (value === '' || value === null || value === undefined) return false;
  if (value === 0) return MEANT_ZERO.has(key);
  if (value === false) return MEANT_FALSE.has(key);
  return !(EMPTY_SAYS_NOTHING.has(key) && typeof value === 'object' && Object.keys(value).length === 0);
}

function decodeMapEntry(target: JsonMap, valueKind: string, bytes: Uint8Array, depth: number): void {
  let key = '';
  let value: unknown = valueKind === 's' || valueKind === 'y' ? '' : undefined;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) key = reader.text();
    else if (reader.field === 2) value = decodeValue(valueKind, reader, depth);
  }
  Object.defineProperty(target, key, { value: value ?? null, enumerable: true, configurable: true, writable: true });
}

function decodeValue(kind: string, reader: WireReader, depth: number): unknown {
  switch (kind) {
    case 's':
      return reader.text();
    case 'b':
      return reader.integer() !== 0;
    case 'i':
      return reader.integer();
    case 'd':
      return reader.double();
    case 'y':
      return Buffer.from(reader.bytes()).toString('base64');
    default:
      return decodeSpecial(kind.slice(1), reader.bytes(), depth);
  }
}

/** Types whose JSON is not the object of their fields. */
function decodeSpecial(name: string, bytes: Uint8Array, depth: number): unknown {
  switch (name) {
    case 'meta.v1.Time':
    case 'meta.v1.MicroTime':
      return decodeTime(bytes, name === 'meta.v1.MicroTime');
    case 'api.resource.Quantity':
      return decodeMessage(name, bytes, depth)['string'] ?? '0';
    case 'util.intstr.IntOrString':
      return decodeIntOrString(bytes);
    case 'runtime.RawExtension':
    case 'meta.v1.FieldsV1':
      return parseRaw(bytes);
    case 'authorization.v1.ExtraValue':
    case 'authentication.v1.ExtraValue':
    case 'meta.v1.Verbs':
      return decodeMessage(name, bytes, depth)['items'] ?? [];
    default:
      return decodeMessage(name, bytes, depth + 1);
  }
}

function decodeTime(bytes: Uint8Array, micro: boolean): string | null {
  let seconds = 0;
  let nanos = 0;
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) seconds = reader.integer();
    else if (reader.field === 2) nanos = reader.integer();
  }
  if (bytes.length === 0) return null;
  const base = new Date(seconds * 1000).toISOString().slice(0, 19);
  return micro ? `${base}.${String(Math.trunc(nanos / 1000)).padStart(6, '0')}Z` : `${base}Z`;
}

function decodeIntOrString(bytes: Uint8Array): number | string {
  let isText = false;
  let number = 0;
  let text = '';
  const reader = new WireReader(bytes);
  while (reader.next()) {
    if (reader.field === 1) isText = reader.integer() === 1;
    else if (reader.field === 2) number = reader.integer();
    else if (reader.field === 3) text = reader.text();
  }
  return isText ? text : number;
}

function parseRaw(bytes: Uint8Array): unknown {
  let raw: Uint8Array = new Uint8Array();
  const reader = new WireReader(bytes);
  while (reader.next()) if (reader.field === 1) raw = reader.bytes();
  if (raw.length === 0) return null;
  try {
    return JSON.parse(Buffer.from(raw).toString('utf8')) as unknown;
  } catch {
    throw new RangeError('an embedded object is not JSON');
  }
}
