/** Tables of the messages that several services share: addresses, references, matches. */
import { Schema } from './schema.ts';

export const DURATION = new Schema({ seconds: [1, 'int64'], nanos: [2, 'int32'] });
const IPV6 = new Schema({ first: [1, 'fixed64'], last: [2, 'fixed64'] });
export const IP_ADDRESS = new Schema({}, { ip: { ipv4: [1, 'fixed32'], ipv6: [2, IPV6] } });
export const IP_NETWORK = new Schema({ ip: [1, IP_ADDRESS], prefixLen: [2, 'uint32'] });
export const TCP_ADDRESS = new Schema({ ip: [1, IP_ADDRESS], port: [2, 'uint32'] });
const RESOURCE = new Schema({
  group: [1, 'string'],
  kind: [2, 'string'],
  name: [3, 'string'],
  namespace: [4, 'string'],
  section: [5, 'string'],
  port: [6, 'uint32'],
});
export const METADATA = new Schema({}, { kind: { default: [1, 'string'], resource: [2, RESOURCE] } });
export const HTTP_METHOD = new Schema({}, { type: { registered: [1, 'int32'], unregistered: [2, 'string'] } });
const SCHEME = new Schema({}, { type: { registered: [1, 'int32'], unregistered: [2, 'string'] } });
const HEADER = new Schema({ name: [1, 'string'], value: [2, 'bytes'] });
const HEADERS = new Schema({ headers: [1, HEADER, 'repeated'] });
const REVERSE_LABELS = new Schema({ reverseLabels: [1, 'string', 'repeated'] });
export const HOST_MATCH = new Schema({}, { match: { exact: [1, 'string'], suffix: [2, REVERSE_LABELS] } });
const PATH_MATCH = new Schema({}, { kind: { exact: [1, 'string'], prefix: [2, 'string'], regex: [3, 'string'] } });
const HEADER_MATCH = new Schema({ name: [1, 'string'] }, { value: { exact: [2, 'bytes'], regex: [3, 'string'] } });
const QUERY_MATCH = new Schema({ name: [1, 'string'] }, { value: { exact: [2, 'string'], regex: [3, 'string'] } });
export const HTTP_MATCH = new Schema({
  path: [1, PATH_MATCH],
  headers: [2, HEADER_MATCH, 'repeated'],
  queryParams: [3, QUERY_MATCH, 'repeated'],
  method: [4, HTTP_METHOD],
});
const RPC_MATCH = new Schema({ service: [1, 'string'], method: [2, 'string'] });
export const GRPC_MATCH = new Schema({ rpc: [1, RPC_MATCH], headers: [2, HEADER_MATCH, 'repeated'] });
export const HEADER_MODIFIER = new Schema({ add: [1, HEADERS], set: [2, HEADERS], remove: [3, 'string', 'repeated'] });
const PATH_MODIFIER = new Schema({}, { replace: { full: [1, 'string'], prefix: [2, 'string'] } });
export const REDIRECT = new Schema({
  scheme: [1, SCHEME],
  host: [2, 'string'],
  path: [3, PATH_MODIFIER],
  port: [4, 'uint32'],
  status: [5, 'uint32'],
});
const RATIO = new Schema({ numerator: [1, 'uint32'], denominator: [2, 'uint32'] });
export const HTTP_FAILURE = new Schema({ status: [1, 'uint32'], message: [2, 'string'], ratio: [3, RATIO] });
export const GRPC_FAILURE = new Schema({ code: [1, 'uint32'], message: [2, 'string'], ratio: [3, RATIO] });
export const TIMEOUTS = new Schema({ response: [1, DURATION], request: [2, DURATION], idle: [3, DURATION] });
export const EMPTY = new Schema({});
