import assert from 'node:assert/strict';
import { Resolver } from 'node:dns/promises';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { silentLogger } from '@mesh/runtime';
import { type AddressBlock, claimAddressBlock } from './address-block.ts';
import { ClusterNames } from './cluster-names.ts';
import { decodeQuery, DNS_CODE, DNS_TYPE, type DnsAnswer, encodeResponse } from './dns-message.ts';
import { DnsServer, type NameSource } from './dns-server.ts';
import type { EndpointSlice, Service } from './service-types.ts';

function service(name: string, spec: Service['spec']): Service {
  return { metadata: { name, namespace: 'shop' }, spec };
}

function slice(name: string, of: string, endpoints: EndpointSlice['endpoints']): EndpointSlice {
  const metadata = { name, namespace: 'shop', labels: { 'kubernetes.io/service-name': of } };
  return { metadata, addressType: 'IPv4', endpoints, ports: [{ name: 'http', port: 8080, protocol: 'TCP' }] };
}

function clusterNames(): ClusterNames {
  const upstream = {
    answer: (name: string): DnsAnswer =>
      name === 'example.test'
        ? { code: DNS_CODE.ok, answers: [{ type: 'A', name, ttl: 30, address: '192.0.2.1' }] }
        : { code: DNS_CODE.noSuchName, answers: [] },
  };
  const names = new ClusterNames('cluster.local', upstream);
  names.setNamespaces(['shop']);
  names.applyService(service('web', { clusterIP: '127.9.128.1', ports: [{ name: 'http', port: 80 }] }));
  names.applyService(service('db', { clusterIP: 'None', ports: [{ name: 'http', port: 8080 }] }));
  names.applyService(service('out', { type: 'ExternalName', externalName: 'example.test' }));
  const endpoints = [
    { addresses: ['127.9.16.2'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['127.9.16.3'], hostname: 'db-1', conditions: { ready: false } },
    { addresses: ['127.9.16.4'], conditions: { ready: true } },
  ];
  names.applySlice(slice('db-a', 'db', endpoints));
  return names;
}

function queryBytes(name: string, type: number): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]);
  return Buffer.concat([Buffer.from([0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]), ...labels, Buffer.from([0, 0, type, 0, 1])]);
}

describe('names of a cluster, asked over the network', () => {
  let block: AddressBlock;
  let server: DnsServer;
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  const names = clusterNames();
  before(async () => {
    block = await claimAddressBlock();
    server = new DnsServer({ address: block.dnsIp, port: 0 }, { names, log: silentLogger });
    await server.start();
    resolver.setServers([`${block.dnsIp}:${server.port}`]);
  });
  after(async () => {
    resolver.cancel();
    await server[Symbol.asyncDispose]();
    await block[Symbol.asyncDispose]();
  });
  const code = (expected: string) => (error: Error & { code?: string }) => error.code === expected;

  test('a Service resolves to its ClusterIP, and back', async () => {
    assert.deepEqual(await resolver.resolve4('web.shop.svc.cluster.local', { ttl: true }), [
      { address: '127.9.128.1', ttl: 5 },
    ]);
    assert.deepEqual(await resolver.resolve4('WEB.shop.svc.Cluster.local'), ['127.9.128.1']);
    assert.deepEqual(await resolver.reverse('127.9.128.1'), ['web.shop.svc.cluster.local']);
  });

  test('a headless Service resolves to its ready pods, which have names', async () => {
    assert.deepEqual((await resolver.resolve4('db.shop.svc.cluster.local')).toSorted(), ['127.9.16.2', '127.9.16.4']);
    assert.deepEqual(await resolver.resolve4('db-0.db.shop.svc.cluster.local'), ['127.9.16.2']);
    assert.deepEqual(await resolver.resolve4('127-9-16-4.db.shop.svc.cluster.local'), ['127.9.16.4']);
    await assert.rejects(resolver.resolve4('db-1.db.shop.svc.cluster.local'), code('ENOTFOUND'));
    assert.deepEqual(await resolver.reverse('127.9.16.2'), ['db-0.db.shop.svc.cluster.local']);
  });

  test('named ports have SRV records', async () => {
    const [port] = await resolver.resolveSrv('_http._tcp.web.shop.svc.cluster.local');
    assert.deepEqual([port?.name, port?.port], ['web.shop.svc.cluster.local', 80]);
    const ports = await resolver.resolveSrv('_http._tcp.db.shop.svc.cluster.local');
    const targets = ports.map((each) => `${each.name}:${each.port}`).toSorted();
    assert.deepEqual(targets, ['127-9-16-4.db.shop.svc.cluster.local:8080', 'db-0.db.shop.svc.cluster.local:8080']);
  });

  test("an external name is an alias with the target's address", async () => {
    assert.deepEqual(await resolver.resolveCname('out.shop.svc.cluster.local'), ['example.test']);
    assert.deepEqual(await resolver.resolve4('out.shop.svc.cluster.local'), ['192.0.2.1']);
  });

  test('tells a missing name from a missing type', async () => {
    await assert.rejects(resolver.resolve4('none.shop.svc.cluster.local'), code('ENOTFOUND'));
    await assert.rejects(resolver.resolve4('web.nowhere.svc.cluster.local'), code('ENOTFOUND'));
    await assert.rejects(resolver.resolve6('web.shop.svc.cluster.local'), code('ENODATA'));
    await assert.rejects(resolver.resolve4('shop.svc.cluster.local'), code('ENODATA'));
  });

  test('a zone that is forwarded is answered by its own name server, whole', async () => {
    const many = Array.from({ length: 100 }, (_each, index) => `127.9.18.${index}`);
    const other: NameSource = {
      answer: (name) => ({
        code: name.startsWith('no.') ? DNS_CODE.noSuchName : DNS_CODE.ok,
        answers: name.startsWith('no.') ? [] : many.map((address) => ({ type: 'A', name, ttl: 5, address })),
      }),
    };
    await using upstream = new DnsServer({ address: block.dnsIp, port: 0 }, { names: other, log: silentLogger });
    await upstream.start();
    const dead = { address: block.dnsIp, port: 1 };
    const upstreams = [dead, { address: block.dnsIp, port: upstream.port }];
    names.setForwards([{ zone: 'clusterset.local', upstreams }]);
    for (let turn = 0; turn < 2; turn += 1) {
      assert.deepEqual(await resolver.resolve4('web.shop.svc.clusterset.local'), many);
      await assert.rejects(resolver.resolve4('no.shop.svc.clusterset.local'), code('ENOTFOUND'));
    }
    assert.deepEqual(await resolver.resolve4('web.shop.svc.cluster.local'), ['127.9.128.1']);
    names.setForwards([{ zone: 'clusterset.local', upstreams: [dead] }]);
    await assert.rejects(resolver.resolve4('web.shop.svc.clusterset.local'), code('ESERVFAIL'));
    names.setForwards([]);
    await assert.rejects(resolver.resolve4('web.shop.svc.clusterset.local'), code('ENOTFOUND'));
  });

  test('an answer that is too long for UDP comes over TCP', async () => {
    const endpoints = Array.from({ length: 200 }, (_each, index) => ({
      addresses: [`127.9.17.${index}`],
      conditions: { ready: true },
    }));
    names.applyService(service('many', { clusterIP: 'None' }));
    names.applySlice(slice('many-a', 'many', endpoints));
    assert.equal((await resolver.resolve4('many.shop.svc.cluster.local')).length, 200);
  });
});

test('removed objects are forgotten', async () => {
  const names = clusterNames();
  names.removeService('shop/web');
  names.removeSlice(slice('db-a', 'db', []));
  assert.equal((await names.answer('web.shop.svc.cluster.local', DNS_TYPE.A)).code, DNS_CODE.noSuchName);
  assert.equal((await names.answer('db.shop.svc.cluster.local', DNS_TYPE.A)).code, DNS_CODE.noSuchName);
  assert.equal((await names.answer('1.128.9.127.in-addr.arpa', DNS_TYPE.PTR)).code, DNS_CODE.noSuchName);
});

test('bytes that are no query are refused, never a crash', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      const query = decodeQuery(bytes);
      if (query !== undefined) encodeResponse(query, { code: 0, answers: [] }, 512);
    }),
  );
});

test('a query cut anywhere is refused', () => {
  const bytes = queryBytes('web.shop.svc.cluster.local', DNS_TYPE.A);
  for (let length = 0; length < bytes.length; length += 1)
    assert.equal(decodeQuery(bytes.subarray(0, length)), undefined);
  assert.equal(decodeQuery(bytes)?.question.name, 'web.shop.svc.cluster.local');
});

test('a response is never longer than the client takes', () => {
  fc.assert(
    fc.property(fc.nat(100), fc.integer({ min: 64, max: 2000 }), (count, bytesMax) => {
      const query = decodeQuery(queryBytes('a.b', DNS_TYPE.A));
      assert.ok(query);
      const answers = Array.from({ length: count }, () => ({
        type: 'A' as const,
        name: 'a.b',
        ttl: 5,
        address: '127.0.0.1',
      }));
      const response = encodeResponse(query, { code: 0, answers }, bytesMax);
      assert.ok(response.length <= bytesMax);
      const truncated = ((response[2] ?? 0) & 2) !== 0;
      assert.equal(response.readUInt16BE(6), truncated ? 0 : count);
    }),
  );
});
