/** What a call needs to know of a method: its path and how messages become bytes. */

export interface GrpcMethod<Request, Response> {
  /** `/package.Service/Method`. */
  readonly path: string;
  encode(request: Request): Uint8Array;
  /** May throw on bytes that are no such message. */
  decode(bytes: Uint8Array): Response;
}

interface MessageType<M> {
  encode(message: M): { finish(): Uint8Array };
  decode(bytes: Uint8Array): M;
}

/** The method of a generated service definition. */
export function grpcMethod<Request, Response>(
  service: { readonly fullName: string },
  definition: {
    readonly name: string;
    readonly requestType: MessageType<Request>;
    readonly responseType: MessageType<Response>;
  },
): GrpcMethod<Request, Response> {
  const { requestType, responseType } = definition;
  return {
    path: `/${service.fullName}/${definition.name}`,
    encode: (request) => requestType.encode(request).finish(),
    decode: (bytes) => responseType.decode(bytes),
  };
}
