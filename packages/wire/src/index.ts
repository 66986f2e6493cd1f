export { CLIENT_HELLO_BYTES_MAX, readClientHello } from './client-hello/client-hello.ts';
export type { ClientHelloResult } from './client-hello/client-hello.ts';
export { BodyCursor } from './http1/body.ts';
export { HEAD_BYTES_MAX, HEADERS_MAX, HTTP1_ERRORS } from './http1/codes.ts';
export type { Http1Error } from './http1/codes.ts';
export { FRAMING, Http1Head, METHOD } from './http1/head.ts';
export { absoluteAuthority } from './http1/head-rules.ts';
export { parseRequestHead, parseResponseHead } from './http1/parse-head.ts';
export { fieldLines, unchanged, writeHead } from './http1/head-writer.ts';
export type { HeadEdits } from './http1/head-writer.ts';
export { HEADER, headerBit, HOP_BY_HOP } from './http1/header-kind.ts';
export { MessageReader } from './http1/message-reader.ts';
export {
  encodeTransportHeader,
  TRANSPORT_ALPN,
  TRANSPORT_HEADER_BYTES_MAX,
  TransportHeaderReader,
} from './transport-header/transport-header.ts';
export {
  CLIENT_CLUSTER_FIELD,
  CLIENT_IDENTITY_FIELD,
  isClientIdentity,
  isClusterName,
} from './transport-header/conveyed-client.ts';
export type {
  SentTransportHeader,
  SessionProtocol,
  TransportHeader,
  TransportHeaderError,
  TransportHeaderResult,
} from './transport-header/transport-header.ts';
export { H2_ERROR, H2_PREFACE } from './h2/codes.ts';
export { H2Connection } from './h2/connection.ts';
export type { H2Handlers, H2Options } from './h2/handlers.ts';
export { fieldValue } from './h2/message-rules.ts';
export { H2_LIMITS_DEFAULT } from './h2/limits.ts';
export type { H2Limits } from './h2/limits.ts';
export { H2_REASONS } from './h2/reasons.ts';
export type { H2Reason } from './h2/reasons.ts';
export type { H2Settings } from './h2/settings.ts';
export type { H2Stream } from './h2/stream.ts';
export { HpackDecoder } from './hpack/decoder.ts';
export type { HpackDecoderOptions, HpackResult } from './hpack/decoder.ts';
export { HpackEncoder } from './hpack/encoder.ts';
export type { HpackEncoderOptions } from './hpack/encoder.ts';
export { CHUNK_END, CHUNKED_END, chunkedEnd, chunkHead } from './translate/trailers.ts';
export { TRANSLATE_ERRORS } from './translate/errors.ts';
export type { TranslateError } from './translate/errors.ts';
export { fieldKind, fieldKinds, NO_FIELD_EDITS, passFields } from './translate/field-kind.ts';
export type { FieldEdits } from './translate/field-kind.ts';
export { formatOrigProto, HTTP_1_1, ORIG_PROTO_FIELD, parseOrigProto } from './translate/orig-proto.ts';
export type { OrigProto } from './translate/orig-proto.ts';
export { h1RequestFraming, h1RequestHead, h1ResponseFraming, h1ResponseHead } from './translate/to-h1.ts';
export { endsWithHead, h2RequestFields, h2ResponseFields, isAbsolute } from './translate/to-h2.ts';
