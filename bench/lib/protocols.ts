/** What the load asks for, and by which protocol; the names are those of the command line. */

export const PROTOCOLS = ['http1', 'http2', 'grpc'] as const;
export type Protocol = (typeof PROTOCOLS)[number];

export const BODIES = ['small', '1m'] as const;
export type Body = (typeof BODIES)[number];

/** Bytes of an answer's body. */
export const BODY_BYTES: Readonly<Record<Body, number>> = { small: 100, '1m': 1024 * 1024 };

/** A gRPC message's frame before the message: a flag and its length. */
const GRPC_PREFIX_BYTES = 5;

/** The ending is what the HTTP/2 backend knows the content type by. */
const GRPC_PATHS: Readonly<Record<Body, string>> = {
  small: '/shop.Catalog/Get.grpc',
  '1m': '/shop.Catalog/List.grpc',
};

export function requestPath(protocol: Protocol, body: Body): string {
  return protocol === 'grpc' ? GRPC_PATHS[body] : `/${body}`;
}

/** Bytes of the body on the wire. */
export function answerBytes(protocol: Protocol, body: Body): number {
  return protocol === 'grpc' ? GRPC_PREFIX_BYTES + BODY_BYTES[body] : BODY_BYTES[body];
}

/** What a unary call sends: one uncompressed message with a string of 16 bytes as field 1. */
export const GRPC_REQUEST: Buffer = grpcMessage(18);

/** A framed message of that many bytes that is a valid protocol buffer: field 1, a string. */
export function grpcMessage(bytes: number): Buffer {
  const prefix = Buffer.alloc(GRPC_PREFIX_BYTES);
  prefix.writeUInt32BE(bytes, 1);
  // The length's own varint takes one to three bytes.
  for (const lengthBytes of [1, 2, 3]) {
    const text = bytes - 1 - lengthBytes;
    const length = varint(text);
    if (length.length === lengthBytes) return Buffer.concat([prefix, Buffer.of(0x0a), length, Buffer.alloc(text, 'x')]);
  }
  throw new RangeError(`grpcMessage: bytes is ${bytes}, which no string field fills; take another size`);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80);
  return Buffer.from([...bytes, rest]);
}
