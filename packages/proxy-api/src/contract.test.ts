import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as fc from 'fast-check';

import { staleFiles } from '../tools/generate.ts';
import {
  destination,
  durationFromMs,
  durationToMs,
  formatIpAddress,
  formatTcpAddress,
  httpTypes,
  identity,
  inbound,
  ipAddress,
  meta,
  net,
  outbound,
  spiffe,
  tap,
  tcpAddress,
  transport,
} from './index.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

test('an IPv4 address is a fixed32 of its big-endian value, little-endian on the wire', () => {
  assert.equal(hex(net.IPAddress.encode({ ip: { $case: 'ipv4', value: 0x7f000001 } }).finish()), '0d0100007f');
  assert.equal(
    hex(net.TcpAddress.encode(net.TcpAddress.fromPartial(tcp('10.1.2.3', 80))).finish()),
    '0a050d0302010a1050',
  );
  assert.equal(formatIpAddress(net.IPAddress.decode(Buffer.from('0dffffffff', 'hex'))), '255.255.255.255');
});

test('an IPv6 address is two fixed64 halves that keep all 64 bits', () => {
  const bytes = net.IPAddress.encode(ipAddress('fd00::ffff:ffff:ffff:fffe') ?? fail()).finish();
  assert.equal(hex(bytes), '12120900000000000000fd11feffffffffffffff');
  assert.equal(formatIpAddress(net.IPAddress.decode(bytes)), 'fd00::ffff:ffff:ffff:fffe');
});

test('the field numbers that are easy to get wrong are the contract’s', () => {
  const one = (type: { encode(message: never): { finish(): Uint8Array } }, message: unknown): string =>
    hex(type.encode(message as never).finish());
  // WeightedAddr has no field 2: weight is 3, metadata 9.
  assert.equal(one(destination.WeightedAddr, destination.WeightedAddr.fromPartial({ weight: 1 })), '1801');
  assert.equal(one(destination.WeightedAddr, destination.WeightedAddr.fromPartial({ resourceRef: {} })), '4a00');
  // TlsIdentity: uri is 3, the server name is outside of the oneof at 4.
  const uri = destination.TlsIdentity.fromPartial({ strategy: { $case: 'uriLikeIdentity', value: { uri: 'a' } } });
  assert.equal(one(destination.TlsIdentity, uri), '1a030a0161');
  // ProtocolHint: opaque is 3, opaque_transport is 2 and not a member of the oneof.
  const hint = destination.ProtocolHint.fromPartial({
    protocol: { $case: 'opaque', value: {} },
    opaqueTransport: { inboundPort: 4143 },
  });
  assert.equal(one(destination.ProtocolHint, hint), '1a00120308af20');
  // Outbound and inbound number their protocol kinds differently.
  assert.equal(one(outbound.ProxyProtocol, { kind: { $case: 'http1', value: { routes: [] } } }), '1a00');
  assert.equal(one(inbound.ProxyProtocol, { kind: { $case: 'http1', value: { routes: [] } } }), '2200');
  assert.equal(one(outbound.ProxyProtocol, { kind: { $case: 'tls', value: { routes: [] } } }), '3200');
  assert.equal(one(inbound.ProxyProtocol, { kind: { $case: 'tls', value: {} } }), '1a00');
  // Route backends keep filters at 3; retry conditions are numbered as gRPC codes.
  const backend = outbound.HttpRoute_RouteBackend.fromPartial({ filters: [{}] });
  assert.equal(one(outbound.HttpRoute_RouteBackend, backend), '1a00');
  const conditions = outbound.GrpcRoute_Retry_Conditions.fromPartial({ deadineExceeded: true, unavailable: true });
  assert.equal(one(outbound.GrpcRoute_Retry_Conditions, conditions), '20017001');
  // Tap's HTTP match: authority 2 before method 3.
  const authority = { match: { $case: 'authority', value: { match: { $case: 'exact', value: 'a' } } } };
  assert.equal(one(tap.ObserveRequest_Match_Http, authority), '12030a0161');
  assert.equal(one(inbound.Authn, { permit: { $case: 'meshTLS', value: {} } }), '1200');
  assert.equal(one(transport.Header, transport.Header.fromPartial({ port: 8080, name: 'a' })), '08903f120161');
  assert.equal(one(spiffe.X509SVID, spiffe.X509SVID.fromPartial({ spiffeId: 'a' })), '0a0161');
});

test('method paths are the contract’s', () => {
  const path = (service: { fullName: string; methods: Record<string, { name: string }> }): string[] =>
    Object.values(service.methods).map((method) => `/${service.fullName}/${method.name}`);
  assert.deepEqual(
    [
      destination.DestinationDefinition,
      identity.IdentityDefinition,
      inbound.InboundServerPoliciesDefinition,
      outbound.OutboundPoliciesDefinition,
      tap.TapDefinition,
      spiffe.SpiffeWorkloadAPIDefinition,
    ].flatMap(path),
    [
      '/io.linkerd.proxy.destination.Destination/Get',
      '/io.linkerd.proxy.destination.Destination/GetProfile',
      '/io.linkerd.proxy.identity.Identity/Certify',
      '/io.linkerd.proxy.inbound.InboundServerPolicies/GetPort',
      '/io.linkerd.proxy.inbound.InboundServerPolicies/WatchPort',
      '/io.linkerd.proxy.outbound.OutboundPolicies/Get',
      '/io.linkerd.proxy.outbound.OutboundPolicies/Watch',
      '/io.linkerd.proxy.tap.Tap/Observe',
      '/SpiffeWorkloadAPI/FetchX509SVID',
    ],
  );
});

test('a oneof member that holds its default value is still sent', () => {
  const get: httpTypes.HttpMethod = { type: { $case: 'registered', value: httpTypes.HttpMethod_Registered.GET } };
  const bytes = httpTypes.HttpMethod.encode(get).finish();
  assert.equal(hex(bytes), '0800');
  assert.deepEqual(httpTypes.HttpMethod.decode(bytes), get);
});

test('the last member of a oneof on the wire wins', () => {
  const first = meta.Metadata.encode({ kind: { $case: 'default', value: 'x' } }).finish();
  const second = meta.Metadata.encode(meta.Metadata.fromPartial({ kind: { $case: 'resource', value: {} } })).finish();
  assert.equal(meta.Metadata.decode(Buffer.concat([first, second])).kind?.$case, 'resource');
});

test('unknown fields of every wire type are skipped', () => {
  const known = identity.CertifyRequest.encode(identity.CertifyRequest.fromPartial({ identity: 'web' })).finish();
  const unknown = Buffer.from('a00601a9060102030405060708b2060161ad0601020304bb060801bc06', 'hex');
  assert.equal(identity.CertifyRequest.decode(Buffer.concat([unknown, known, unknown])).identity, 'web');
});

test('policies and endpoints survive a round trip', () => {
  const ip = fc.oneof(fc.ipV4(), fc.ipV6());
  const address = fc.record({ ip, port: fc.nat(65535) });
  const labels = fc.dictionary(fc.string(), fc.string(), { noNullPrototype: true });
  fc.assert(
    fc.property(fc.array(address), labels, fc.nat(60_000), fc.string(), (addresses, metricLabels, ms, name) => {
      const update = destination.Update.fromPartial({
        update: {
          $case: 'add',
          value: {
            addrs: addresses.map((one) => ({
              addr: tcpAddress(one.ip, one.port) ?? fail(),
              weight: 10_000,
              metricLabels,
              tlsIdentity: { strategy: { $case: 'dnsLikeIdentity', value: { name } } },
              http2: { keepAlive: { interval: durationFromMs(ms), whileIdle: true } },
            })),
          },
        },
      });
      assert.deepEqual(destination.Update.decode(destination.Update.encode(update).finish()), update);
    }),
  );
});

test('addresses survive a round trip through text', () => {
  fc.assert(fc.property(fc.ipV4(), (text) => assert.equal(formatIpAddress(ipAddress(text)), text)));
  fc.assert(
    fc.property(fc.ipV6(), (text) => {
      const canonical = formatIpAddress(ipAddress(text)) ?? fail();
      assert.deepEqual(ipAddress(canonical), ipAddress(text));
      assert.equal(new URL(`http://[${text}]/`).hostname, `[${canonical}]`);
    }),
  );
  assert.equal(formatTcpAddress(tcpAddress('::1', 80)), '[::1]:80');
  for (const bad of ['', '1.2.3', '1.2.3.256', '01.2.3.4', '1::2::3', '1:2:3:4:5:6:7', ':::', 'g::', '1.2.3.4::']) {
    assert.equal(ipAddress(bad), undefined, bad);
  }
  assert.equal(tcpAddress('1.2.3.4', 65536), undefined);
});

test('durations keep milliseconds', () => {
  fc.assert(fc.property(fc.nat(), (ms) => assert.equal(durationToMs(durationFromMs(ms)), ms)));
});

test('garbage is refused with an error or read as a message, never worse', () => {
  const types = [
    destination.Update,
    destination.DestinationProfile,
    inbound.Server,
    outbound.OutboundPolicy,
    identity.CertifyResponse,
    tap.TapEvent,
    transport.Header,
    spiffe.X509SVIDResponse,
  ];
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(types.length - 1), (bytes, index) => {
      try {
        types[index]?.decode(bytes);
      } catch (error) {
        assert.ok(error instanceof Error);
        assert.ok(!(error instanceof TypeError), String(error));
      }
    }),
    { numRuns: 2000 },
  );
});

test('the generated files are what the .proto files say', () => {
  assert.deepEqual(staleFiles(), []);
});

test('nesting without end is refused instead of exhausting the stack', () => {
  let bytes: Uint8Array = new Uint8Array();
  for (let depth = 0; depth < 5000; depth += 1) {
    const length = Buffer.alloc(5);
    length.writeUInt8((bytes.length & 127) | 128, 0);
    length.writeUInt8(((bytes.length >> 7) & 127) | 128, 1);
    length.writeUInt8((bytes.length >> 14) & 127, 2);
    bytes = Buffer.concat([Buffer.from([0x1a]), length.subarray(0, 3), bytes]);
  }
  assert.throws(() => destination.RequestMatch.decode(bytes), /recursion/);
});

function tcp(ip: string, port: number): net.TcpAddress {
  return tcpAddress(ip, port) ?? fail();
}

function fail(): never {
  throw new Error('unreachable');
}
