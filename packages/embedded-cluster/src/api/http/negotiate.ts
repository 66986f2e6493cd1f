/** Media types: what a client can read, and in which shape it wants objects. */
import { notAcceptable } from '../status-error.ts';

export type Shape = 'object' | 'table' | 'partial' | 'partialList' | 'discoveryV2' | 'discoveryV2Beta1';

export interface Representation {
  readonly encoding: 'json' | 'yaml';
  readonly shape: Shape;
}

const JSON_OBJECT: Representation = { encoding: 'json', shape: 'object' };
const AVAILABLE = 'application/json, application/yaml, application/vnd.kubernetes.protobuf';

/**
 * The first type of `Accept`, in order of its q values, that is served. Protobuf isn't, so clients that offer JSON beside it get JSON.
 * @throws 406 when nothing of it is served.
 */
export function negotiate(accept: string | undefined): Representation {
  if (accept === undefined || accept.trim() === '') return JSON_OBJECT;
  for (const { type, parameters } of parseAccept(accept)) {
    const encoding = encodingOf(type);
    if (encoding === undefined) continue;
    const shape = shapeOf(parameters);
    if (shape !== undefined) return { encoding, shape };
  }
  throw notAcceptable(AVAILABLE);
}

interface AcceptedType {
  readonly type: string;
  readonly parameters: ReadonlyMap<string, string>;
  readonly quality: number;
}

function parseAccept(accept: string): readonly AcceptedType[] {
  const types = accept.split(',').map((clause) => {
    const [type = '', ...rest] = clause.split(';').map((part) => part.trim());
    const parameters = new Map(rest.map((part) => part.split('=', 2) as [string, string]));
    return { type: type.toLowerCase(), parameters, quality: Number(parameters.get('q') ?? 1) };
  });
  return types.sort((a, b) => b.quality - a.quality);
}

function encodingOf(type: string): 'json' | 'yaml' | undefined {
  if (type === 'application/json' || type === '*/*' || type === 'application/*') return 'json';
  return type === 'application/yaml' ? 'yaml' : undefined;
}

function shapeOf(parameters: ReadonlyMap<string, string>): Shape | undefined {
  const as = parameters.get('as');
  const group = parameters.get('g');
  const version = parameters.get('v');
  if (as === undefined) return 'object';
  if (group === 'meta.k8s.io' && version === 'v1') {
    if (as === 'Table') return 'table';
    if (as === 'PartialObjectMetadata') return 'partial';
    if (as === 'PartialObjectMetadataList') return 'partialList';
  }
  if (group === 'apidiscovery.k8s.io' && as === 'APIGroupDiscoveryList') {
    if (version === 'v2') return 'discoveryV2';
    if (version === 'v2beta1') return 'discoveryV2Beta1';
  }
  return undefined;
}
