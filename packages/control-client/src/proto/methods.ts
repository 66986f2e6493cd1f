/** The five calls that a proxy makes. Message types are those of `@mesh/proxy-api`, which itself is not loaded. */
import { parseIp } from '@mesh/model';
import type { destination, identity, inbound, outbound } from '@mesh/proxy-api';
import type { GrpcMethod } from '../grpc/method.ts';
import { decodeMessage } from './decode.ts';
import { CERTIFY_RESPONSE, DESTINATION_PROFILE, UPDATE } from './destination-messages.ts';
import { ProtoWriter } from './encode.ts';
import { INBOUND_SERVER, OUTBOUND_POLICY } from './policy-messages.ts';
import type { Schema } from './schema.ts';

const PACKAGE = '/io.linkerd.proxy.';

/** The tables give objects of the type that they describe; the property test beside them proves it. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the one assertion between tables and types
function reader<M>(schema: Schema): (bytes: Uint8Array) => M {
  return (bytes) => decodeMessage(schema, bytes) as M;
}

function encodeLookup(request: destination.GetDestination): Uint8Array {
  return new ProtoWriter().string(1, request.scheme).string(2, request.path).string(3, request.contextToken).finish();
}

export const CERTIFY: GrpcMethod<identity.CertifyRequest, identity.CertifyResponse> = {
  path: `${PACKAGE}identity.Identity/Certify`,
  encode: (request) =>
    new ProtoWriter()
      .string(1, request.identity)
      .bytes(2, request.token)
      .bytes(3, request.certificateSigningRequest)
      .finish(),
  decode: reader(CERTIFY_RESPONSE),
};

export const GET: GrpcMethod<destination.GetDestination, destination.Update> = {
  path: `${PACKAGE}destination.Destination/Get`,
  encode: encodeLookup,
  decode: reader(UPDATE),
};

export const GET_PROFILE: GrpcMethod<destination.GetDestination, destination.DestinationProfile> = {
  path: `${PACKAGE}destination.Destination/GetProfile`,
  encode: encodeLookup,
  decode: reader(DESTINATION_PROFILE),
};

export const WATCH_PORT: GrpcMethod<inbound.PortSpec, inbound.Server> = {
  path: `${PACKAGE}inbound.InboundServerPolicies/WatchPort`,
  encode: (request) => new ProtoWriter().string(1, request.workload).uint32(2, request.port).finish(),
  decode: reader(INBOUND_SERVER),
};

/** By address or by "name:port". */
export interface TrafficRequest {
  readonly sourceWorkload: string;
  readonly target:
    | { readonly kind: 'address'; readonly address: { readonly ip: string; readonly port: number } }
    | { readonly kind: 'authority'; readonly authority: string };
}

export const WATCH_OUTBOUND: GrpcMethod<TrafficRequest, outbound.OutboundPolicy> = {
  path: `${PACKAGE}outbound.OutboundPolicies/Watch`,
  encode: ({ sourceWorkload, target }) => {
    const writer = new ProtoWriter().string(1, sourceWorkload);
    if (target.kind === 'authority') return writer.message(3, Buffer.from(target.authority)).finish();
    const address = new ProtoWriter().message(1, encodeIp(target.address.ip)).uint32(2, target.address.port);
    return writer.message(2, address.finish()).finish();
  },
  decode: reader(OUTBOUND_POLICY),
};

/** IPv4 as one big-endian number, IPv6 as two. */
function encodeIp(ip: string): Uint8Array {
  const bytes = parseIp(ip) ?? new Uint8Array(0);
  const writer = new ProtoWriter();
  if (bytes.length === 4) return writer.fixed32(1, new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)).finish();
  const halves = new ProtoWriter().fixed64(1, bytes.subarray(0, 8)).fixed64(2, bytes.subarray(8, 16));
  return writer.message(2, halves.finish()).finish();
}
