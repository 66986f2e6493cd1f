/** How a signed certificate is obtained. The transport is apart from the key and its installation. */
import { GrpcChannel } from '../grpc/channel.ts';
import type { ChannelDeps, ChannelOptions } from '../grpc/channel.ts';
import { CERTIFY } from '../proto/methods.ts';

export interface CertifyRequest {
  readonly identity: string;
  readonly token: Uint8Array;
  /** PKCS#10 in DER. */
  readonly csrDer: Uint8Array;
}

export interface CertifyResponse {
  readonly leafDer: Uint8Array;
  /** Leaf-most first. */
  readonly intermediatesDer: readonly Uint8Array[];
  /** Milliseconds since the epoch; `undefined` when the server named none. */
  readonly validUntilMs: number | undefined;
}

/** Rejects when no certificate was issued. */
export type Certifier = (request: CertifyRequest, signal: AbortSignal) => Promise<CertifyResponse>;

/** Includes resolving, connecting and the TokenReview behind it. */
export const CERTIFY_TIMEOUT_MS = 10_000;

/** Asks the identity service; each request goes over a connection of its own, closed right after. */
export function grpcCertifier(options: ChannelOptions, deps: ChannelDeps, timeoutMs = CERTIFY_TIMEOUT_MS): Certifier {
  return async (request, signal) => {
    const channel = new GrpcChannel(options, deps);
    try {
      const response = await channel.unary(
        CERTIFY,
        { identity: request.identity, token: request.token, certificateSigningRequest: request.csrDer },
        { timeoutMs, signal },
      );
      return {
        leafDer: response.leafCertificate,
        intermediatesDer: response.intermediateCertificates,
        validUntilMs: response.validUntil?.getTime(),
      };
    } finally {
      channel.close();
    }
  };
}
