import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destination, formatIpAddress, identity, inbound, ipAddress, outbound, tcpAddress } from '@mesh/proxy-api';
import * as fc from 'fast-check';
import { ipText } from './addresses.ts';
import { decodeMessage, ProtoError } from './decode.ts';
import { CERTIFY_RESPONSE, DESTINATION_PROFILE, UPDATE } from './destination-messages.ts';
import { CERTIFY, GET, GET_PROFILE, WATCH_OUTBOUND, WATCH_PORT } from './methods.ts';
import {
  AUTHZ,
  BACKEND,
  FAILURE_ACCRUAL,
  GRPC_ROUTE,
  HTTP_ROUTE,
  INBOUND_SERVER,
  OUTBOUND_POLICY,
} from './policy-messages.ts';
import { Schema } from './schema.ts';
import type { FieldSpec, FieldType } from './schema.ts';

interface Generated {
  encode(message: never): { finish(): Uint8Array };
  decode(bytes: Uint8Array): unknown;
}
const MESSAGES: Readonly<Record<string, readonly [Schema, Generated]>> = {
  update: [UPDATE, destination.Update],
  profile: [DESTINATION_PROFILE, destination.DestinationProfile],
  certificate: [CERTIFY_RESPONSE, identity.CertifyResponse],
  server: [INBOUND_SERVER, inbound.Server],
  policy: [OUTBOUND_POLICY, outbound.OutboundPolicy],
  // Parts that random policies seldom reach.
  'inbound authorization': [AUTHZ, inbound.Authz],
  'HTTP route': [HTTP_ROUTE, outbound.HttpRoute],
  'gRPC route': [GRPC_ROUTE, outbound.GrpcRoute],
  backend: [BACKEND, outbound.Backend],
  'failure accrual': [FAILURE_ACCRUAL, outbound.FailureAccrual],
};

const known = new Map<Schema, Map<number, fc.Arbitrary<Record<string, unknown>>>>();

/** Any message of a schema, as the generated types have it; nested at most `depth` deep. Kept, as schemas share parts. */
function messageOf(schema: Schema, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const byDepth = known.get(schema) ?? new Map<number, fc.Arbitrary<Record<string, unknown>>>();
  known.set(schema, byDepth);
  const arbitrary = byDepth.get(depth) ?? createMessageOf(schema, depth);
  byDepth.set(depth, arbitrary);
  return arbitrary;
}

function createMessageOf(schema: Schema, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const parts: Record<string, fc.Arbitrary<unknown>> = {};
  for (const [oneof, choices] of Object.entries(schema.oneofs)) {
    const options = Object.entries(choices)
      .filter(([, [, type]]) => depth > 0 || typeof type === 'string')
      .map(([name, [, type]]) => valueOf(type, depth).map((value) => ({ $case: name, value })));
    if (options.length === 0) parts[oneof] = fc.constant(undefined);
    else parts[oneof] = fc.option(fc.oneof(...options), { nil: undefined, freq: 8 });
  }
  for (const [name, spec] of Object.entries(schema.fields)) parts[name] = fieldOf(spec, depth);
  return fc.record(parts);
}

function fieldOf([, type, repeated]: FieldSpec, depth: number): fc.Arbitrary<unknown> {
  const isMessage = type instanceof Schema || typeof type === 'function';
  if (isMessage && depth <= 0) return fc.constant(repeated === undefined ? undefined : []);
  if (repeated !== undefined) return fc.array(valueOf(type, depth), { maxLength: isMessage ? 1 : 2 });
  if (isMessage || type === 'timestamp') return fc.option(valueOf(type, depth), { nil: undefined, freq: 2 });
  return valueOf(type, depth);
}

function valueOf(type: FieldType, depth: number): fc.Arbitrary<unknown> {
  if (type instanceof Schema) return messageOf(type, depth - 1);
  if (typeof type === 'function') return messageOf(type(), depth - 2);
  switch (type) {
    case 'uint32':
    case 'fixed32':
      return fc.integer({ min: 0, max: 0xffff_ffff });
    case 'int32':
      return fc.integer({ min: 0, max: 8 });
    case 'int64':
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case 'fixed64':
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case 'bool':
      return fc.boolean();
    case 'string':
      return fc.string({ maxLength: 8 });
    case 'bytes':
      return fc.uint8Array({ maxLength: 8 });
    case 'float':
      return fc.float({ noNaN: true });
    case 'double':
      return fc.double({ noNaN: true });
    case 'timestamp':
      return fc.integer({ min: 0, max: 4_000_000_000 }).map((seconds) => new Date(seconds * 1000));
    case 'map':
      return fc.dictionary(fc.string({ maxLength: 5 }), fc.string({ maxLength: 5 }), { maxKeys: 3 });
  }
}

for (const [name, [schema, generated]] of Object.entries(MESSAGES))
  test(`the table of ${name} reads what the generated code writes, to the same object`, () => {
    fc.assert(
      fc.property(messageOf(schema, 14), (message) => {
        const bytes = Uint8Array.from(generated.encode(message as never).finish());
        assert.deepEqual(decodeMessage(schema, bytes), normalise(generated.decode(bytes)));
      }),
      { numRuns: 200 },
    );
  });

/** The generated reader gives Buffers for bytes on some runtimes, and -0 for floats that tables give too. */
function normalise(value: unknown): unknown {
  if (value instanceof Uint8Array) return Uint8Array.from(value);
  if (value instanceof Date || value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(normalise);
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value))
    Object.defineProperty(copy, key, { value: normalise(item), enumerable: true, configurable: true, writable: true });
  return copy;
}

test('requests are written as the generated code writes them', () => {
  const text = fc.string({ maxLength: 20 });
  const bytes = fc.uint8Array({ maxLength: 300 });
  const ip = fc.oneof(
    fc.ipV4(),
    fc.ipV6().filter((value) => !/[.]|^::ffff/i.test(value)),
  );
  const port = fc.integer({ min: 0, max: 65_535 });
  fc.assert(
    fc.property(text, text, bytes, ip, port, (a, b, blob, address, number) => {
      const same = (own: Uint8Array, other: { finish(): Uint8Array }): void =>
        assert.deepEqual(Uint8Array.from(own), Uint8Array.from(other.finish()));
      const lookup = { scheme: 'k8s', path: a, contextToken: b };
      same(GET.encode(lookup), destination.GetDestination.encode(lookup));
      same(GET_PROFILE.encode(lookup), destination.GetDestination.encode(lookup));
      same(WATCH_PORT.encode({ workload: a, port: number }), inbound.PortSpec.encode({ workload: a, port: number }));
      const certify = { identity: a, token: blob, certificateSigningRequest: blob };
      same(CERTIFY.encode(certify), identity.CertifyRequest.encode(certify));
      const spec = tcpAddress(address, number);
      assert.ok(spec);
      same(
        WATCH_OUTBOUND.encode({
          sourceWorkload: a,
          target: { kind: 'address', address: { ip: address, port: number } },
        }),
        outbound.TrafficSpec.encode({ sourceWorkload: a, target: { $case: 'addr', value: spec } }),
      );
      same(
        WATCH_OUTBOUND.encode({ sourceWorkload: a, target: { kind: 'authority', authority: b } }),
        outbound.TrafficSpec.encode({ sourceWorkload: a, target: { $case: 'authority', value: b } }),
      );
    }),
  );
});

test('method paths are the contract’s', () => {
  const path = (service: { readonly fullName: string }, method: { readonly name: string }): string =>
    `/${service.fullName}/${method.name}`;
  const { DestinationDefinition } = destination;
  const { InboundServerPoliciesDefinition } = inbound;
  assert.equal(CERTIFY.path, path(identity.IdentityDefinition, identity.IdentityDefinition.methods.certify));
  assert.equal(GET.path, path(DestinationDefinition, DestinationDefinition.methods.get));
  assert.equal(GET_PROFILE.path, path(DestinationDefinition, DestinationDefinition.methods.getProfile));
  assert.equal(
    WATCH_PORT.path,
    path(InboundServerPoliciesDefinition, InboundServerPoliciesDefinition.methods.watchPort),
  );
  assert.equal(
    WATCH_OUTBOUND.path,
    path(outbound.OutboundPoliciesDefinition, outbound.OutboundPoliciesDefinition.methods.watch),
  );
});

test('addresses are written as text like the contract’s own helper does', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.ipV4(),
        fc.ipV6().filter((value) => !value.includes('.')),
      ),
      (text) => {
        const message = ipAddress(text);
        assert.equal(ipText(message), formatIpAddress(message));
      },
    ),
  );
  assert.equal(ipText(undefined), undefined);
});

test('garbage is a message or a ProtoError, never anything else', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Object.values(MESSAGES)), fc.uint8Array({ maxLength: 200 }), ([schema], bytes) => {
      try {
        decodeMessage(schema, bytes);
      } catch (error) {
        assert.ok(error instanceof ProtoError);
      }
    }),
    { numRuns: 5000 },
  );
});

test('nesting without end is refused', () => {
  const schema: Schema = new Schema({}, { match: { not: [3, () => schema] } });
  const deep = (depth: number): Uint8Array => {
    let inner: number[] = [];
    for (let level = 0; level < depth; level += 1) inner = [0x1a, inner.length, ...inner];
    return Uint8Array.from(inner);
  };
  decodeMessage(schema, deep(40));
  assert.throws(() => decodeMessage(schema, deep(60)), ProtoError);
});
