import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { formatIp, parseIp } from '@mesh/model';
import { answer } from './answer.ts';
import { RCODE, TYPE } from './message.ts';
import type { Reply, ResourceRecord } from './message.ts';
import { endpoints, headlessImport, serviceImport, slice } from './testing/objects.ts';
import { ClustersetZone } from './zone.ts';

function newZone(): ClustersetZone {
  return new ClustersetZone({
    name: 'clusterset.local',
    serverAddresses: [parseIp('10.1.0.9') ?? assert.fail()],
    firstSerial: 100,
  });
}

function ask(zone: ClustersetZone, name: string, type: number = TYPE.A, turn = 0): Reply {
  return answer({ labels: name.split('.'), type, class: 1 }, zone, turn);
}

function text(record: ResourceRecord): string {
  switch (record.type) {
    case TYPE.A:
    case TYPE.AAAA:
      return formatIp(record.address);
    case TYPE.NS:
      return record.target;
    case TYPE.TXT:
      return record.text;
    case TYPE.SRV:
      return `${record.port} ${record.target}`;
    case TYPE.SOA:
      return `serial ${record.serial}`;
  }
}

function answers(zone: ClustersetZone, name: string, type: number = TYPE.A): readonly string[] {
  const reply = ask(zone, name, type);
  assert.equal(reply.code, RCODE.noError, `${name}: code ${reply.code}`);
  assert.ok(reply.authoritative);
  assert.ok(reply.answers.every((record) => record.name === name));
  return reply.answers.map(text).toSorted();
}

function assertNoData(zone: ClustersetZone, name: string, type: number = TYPE.A): void {
  const reply = ask(zone, name, type);
  assert.deepEqual([reply.code, reply.answers.length], [RCODE.noError, 0], name);
  assert.deepEqual(
    reply.authority.map((record) => record.type),
    [TYPE.SOA],
    `${name}: a negative answer has its SOA`,
  );
}

function assertNoName(zone: ClustersetZone, name: string, type: number = TYPE.A): void {
  const reply = ask(zone, name, type);
  assert.deepEqual([reply.code, reply.answers.length], [RCODE.noSuchName, 0], name);
  assert.deepEqual(
    reply.authority.map((record) => record.type),
    [TYPE.SOA],
    `${name}: a negative answer has its SOA`,
  );
}

describe('a Service with a clusterset address', () => {
  const zone = newZone();
  const hello = serviceImport('hello', {
    ips: ['10.96.0.10', 'fd00::10'],
    ports: [
      { name: 'tcp', protocol: 'TCP', port: 42 },
      { name: 'udp', protocol: 'UDP', port: 42 },
      { name: 'http', port: 80 },
      { protocol: 'SCTP', port: 7 },
    ],
  });
  zone.applyImport(hello);
  zone.applySlice(slice('hello', endpoints(2)));

  test('resolves to its addresses, by family', () => {
    assert.deepEqual(answers(zone, 'hello.shop.svc.clusterset.local'), ['10.96.0.10']);
    assert.deepEqual(answers(zone, 'hello.shop.svc.clusterset.local', TYPE.AAAA), ['fd00::10']);
    assert.deepEqual(answers(zone, 'hello.shop.svc.clusterset.local', TYPE.ANY), ['10.96.0.10']);
  });

  test('has an SRV record for each named port, whose target is the Service', () => {
    const target = 'hello.shop.svc.clusterset.local';
    assert.deepEqual(answers(zone, `_tcp._tcp.${target}`, TYPE.SRV), [`42 ${target}`]);
    assert.deepEqual(answers(zone, `_udp._udp.${target}`, TYPE.SRV), [`42 ${target}`]);
    assert.deepEqual(answers(zone, `_http._tcp.${target}`, TYPE.SRV), [`80 ${target}`]);
    assertNoName(zone, `_udp._tcp.${target}`, TYPE.SRV);
    assertNoName(zone, `_7._sctp.${target}`, TYPE.SRV);
    assertNoName(zone, `_._sctp.${target}`, TYPE.SRV);
    assertNoData(zone, `_http._tcp.${target}`, TYPE.A);
  });

  test('lists the ports of one number once to who asks for SRV by its own name', () => {
    const target = 'hello.shop.svc.clusterset.local';
    assert.deepEqual(answers(zone, target, TYPE.SRV), [`42 ${target}`, `80 ${target}`]);
  });

  test('sends the addresses of the target along', () => {
    const { additional } = ask(zone, '_http._tcp.hello.shop.svc.clusterset.local', TYPE.SRV);
    assert.deepEqual(additional.map(text), ['10.96.0.10', 'fd00::10']);
  });

  test('has no names per cluster and none per endpoint', () => {
    assertNoName(zone, 'east.hello.shop.svc.clusterset.local');
    assertNoName(zone, '10-0-0-0.east.hello.shop.svc.clusterset.local');
  });

  test('exists before it has an address', () => {
    const waiting = newZone();
    waiting.applyImport(serviceImport('hello', { ips: [] }));
    assertNoData(waiting, 'hello.shop.svc.clusterset.local');
  });

  test('is gone when its import is, whatever slices are left', () => {
    const gone = newZone();
    gone.applyImport(hello);
    gone.applySlice(slice('hello', endpoints(2)));
    gone.removeImport(hello);
    assertNoName(gone, 'hello.shop.svc.clusterset.local');
    assertNoName(gone, 'shop.svc.clusterset.local');
    assert.equal(gone.importCount, 0);
  });
});

describe('a headless Service', () => {
  const zone = newZone();
  zone.applyImport(headlessImport('db'));
  zone.applySlice(
    slice('db', [
      { addresses: ['10.0.0.1'], hostname: 'db-0', conditions: { ready: true } },
      { addresses: ['10.0.0.2'], hostname: 'db-1', conditions: { ready: false } },
      { addresses: ['10.0.0.3'] },
    ]),
  );
  zone.applySlice(slice('db', [{ addresses: ['10.8.0.1'], hostname: 'db-0' }], { cluster: 'west' }));
  zone.applySlice(slice('db', [{ addresses: ['fd00::1'], hostname: 'db-0' }], { cluster: 'west', name: 'db-west-6' }));

  test('resolves to the ready endpoints of all clusters', () => {
    assert.deepEqual(answers(zone, 'db.shop.svc.clusterset.local'), ['10.0.0.1', '10.0.0.3', '10.8.0.1']);
    assert.deepEqual(answers(zone, 'db.shop.svc.clusterset.local', TYPE.AAAA), ['fd00::1']);
  });

  test('has a name per endpoint and cluster, also for endpoints without hostname', () => {
    assert.deepEqual(answers(zone, 'db-0.east.db.shop.svc.clusterset.local'), ['10.0.0.1']);
    assert.deepEqual(answers(zone, 'db-0.west.db.shop.svc.clusterset.local'), ['10.8.0.1']);
    assert.deepEqual(answers(zone, 'db-0.west.db.shop.svc.clusterset.local', TYPE.AAAA), ['fd00::1']);
    assert.deepEqual(answers(zone, '10-0-0-3.east.db.shop.svc.clusterset.local'), ['10.0.0.3']);
    assertNoData(zone, 'db-0.east.db.shop.svc.clusterset.local', TYPE.AAAA);
    assertNoName(zone, 'db-1.east.db.shop.svc.clusterset.local');
    assertNoName(zone, 'db-0.north.db.shop.svc.clusterset.local');
  });

  test('has no record by cluster; yet "no such name" would deny its hosts', () => {
    for (const type of [TYPE.A, TYPE.AAAA, TYPE.SRV, TYPE.TXT, TYPE.ANY]) {
      assertNoData(zone, 'east.db.shop.svc.clusterset.local', type);
    }
    assertNoName(zone, 'north.db.shop.svc.clusterset.local');
  });

  test('has an SRV record per endpoint and named port, with the target’s address', () => {
    const wanted = [
      '8080 10-0-0-3.east.db.shop.svc.clusterset.local',
      '8080 db-0.east.db.shop.svc.clusterset.local',
      '8080 db-0.west.db.shop.svc.clusterset.local',
    ];
    assert.deepEqual(answers(zone, '_http._tcp.db.shop.svc.clusterset.local', TYPE.SRV), wanted);
    assert.deepEqual(answers(zone, 'db.shop.svc.clusterset.local', TYPE.SRV), wanted);
    const { additional } = ask(zone, '_http._tcp.db.shop.svc.clusterset.local', TYPE.SRV);
    assert.deepEqual(additional.map(text).toSorted(), ['10.0.0.1', '10.0.0.3', '10.8.0.1', 'fd00::1']);
    assertNoData(zone, '_tcp.db.shop.svc.clusterset.local', TYPE.SRV);
  });

  test('lists an endpoint once when its ports share a number', () => {
    const twins = newZone();
    twins.applyImport(headlessImport('hello'));
    const ports = [
      { name: 'tcp', protocol: 'TCP', port: 42 },
      { name: 'udp', protocol: 'UDP', port: 42 },
    ] as const;
    twins.applySlice(slice('hello', [{ addresses: ['10.0.0.1'] }], { ports }));
    assert.deepEqual(answers(twins, 'hello.shop.svc.clusterset.local', TYPE.SRV), [
      '42 10-0-0-1.east.hello.shop.svc.clusterset.local',
    ]);
  });

  test('does not exist while no endpoint is ready', () => {
    const empty = newZone();
    empty.applyImport(headlessImport('db'));
    assertNoName(empty, 'db.shop.svc.clusterset.local');
    empty.applySlice(slice('db', [{ addresses: ['10.0.0.1'], conditions: { ready: false } }]));
    assertNoName(empty, 'db.shop.svc.clusterset.local');
    assertNoName(empty, 'db.shop.svc.clusterset.local', TYPE.SRV);
    assertNoData(empty, 'shop.svc.clusterset.local');
  });

  test('does not show gateways that only proxies can talk to', () => {
    const bridged = newZone();
    bridged.applyImport(headlessImport('db'));
    const labels = (path: string) => ({ labels: { 'federation.mesh.dev/path': path } });
    bridged.applySlice(slice('db', [{ addresses: ['192.0.2.1'] }], { name: 'mesh', ...labels('mesh') }));
    bridged.applySlice(slice('db', [{ addresses: ['10.0.0.1'] }], { name: 'bridge', ...labels('bridge') }));
    assert.deepEqual(answers(bridged, 'db.shop.svc.clusterset.local'), ['10.0.0.1']);
  });

  test('rotates which endpoint comes first', () => {
    const first = new Set(
      [0, 1, 2, 3].map((turn) =>
        text(ask(zone, 'db.shop.svc.clusterset.local', TYPE.A, turn).answers[0] ?? assert.fail()),
      ),
    );
    assert.equal(first.size, 3);
  });

  test('follows slices that change Service, and forgets those that go', () => {
    const moving = newZone();
    moving.applyImport(headlessImport('a'));
    moving.applyImport(headlessImport('b'));
    const before = slice('a', [{ addresses: ['10.0.0.1'] }], { name: 'x' });
    moving.applySlice(before);
    assert.deepEqual(answers(moving, 'a.shop.svc.clusterset.local'), ['10.0.0.1']);
    moving.removeSlice(before);
    moving.applySlice(slice('b', [{ addresses: ['10.0.0.1'] }], { name: 'x' }));
    assertNoName(moving, 'a.shop.svc.clusterset.local');
    assert.deepEqual(answers(moving, 'b.shop.svc.clusterset.local'), ['10.0.0.1']);
  });

  test('leaves out hosts whose names are too long to be asked for', () => {
    const long = 'x'.repeat(63);
    const deep = newZone();
    deep.applyImport(headlessImport(long));
    deep.applySlice(slice(long, [{ addresses: ['10.0.0.1'], hostname: long }], { cluster: 'c'.repeat(63) }));
    deep.applySlice(slice(long, [{ addresses: ['10.0.0.2'], hostname: 'a' }], { cluster: 'c'.repeat(63), name: 'b' }));
    assert.deepEqual(answers(deep, `${long}.shop.svc.clusterset.local`), ['10.0.0.1', '10.0.0.2']);
    assert.equal(answers(deep, `${long}.shop.svc.clusterset.local`, TYPE.SRV).length, 2);
    const veryDeep = new ClustersetZone({ name: 'z'.repeat(60), serverAddresses: [], firstSerial: 1 });
    veryDeep.applyImport(headlessImport(long));
    veryDeep.applySlice(slice(long, [{ addresses: ['10.0.0.1'], hostname: long }], { cluster: 'c'.repeat(63) }));
    const reply = answer({ labels: [long, 'shop', 'svc', 'z'.repeat(60)], type: TYPE.SRV, class: 1 }, veryDeep);
    assert.deepEqual([reply.code, reply.answers.length], [RCODE.noError, 0]);
  });
});

describe('the zone itself', () => {
  const zone = newZone();
  zone.applyImport(serviceImport('hello'));

  test('states the version of its schema', () => {
    assert.deepEqual(answers(zone, 'dns-version.clusterset.local', TYPE.TXT), ['1.0.0']);
    assertNoData(zone, 'dns-version.clusterset.local', TYPE.A);
  });

  test('has a SOA and a name server with an address', () => {
    assert.deepEqual(answers(zone, 'clusterset.local', TYPE.NS), ['ns.dns.clusterset.local']);
    assert.deepEqual(answers(zone, 'ns.dns.clusterset.local'), ['10.1.0.9']);
    assertNoData(zone, 'ns.dns.clusterset.local', TYPE.AAAA);
    assertNoData(zone, 'clusterset.local', TYPE.A);
    assert.deepEqual(answers(zone, 'clusterset.local', TYPE.SOA), ['serial 101']);
    zone.applyImport(serviceImport('other'));
    assert.deepEqual(answers(zone, 'clusterset.local', TYPE.SOA), ['serial 102'], 'a change is a new serial');
  });

  test('tells names that lead to others from names that do not exist', () => {
    for (const name of ['svc.clusterset.local', 'shop.svc.clusterset.local', 'dns.clusterset.local']) {
      assertNoData(zone, name);
    }
    for (const name of ['x.clusterset.local', 'bank.svc.clusterset.local', 'x.shop.svc.clusterset.local']) {
      assertNoName(zone, name);
    }
    assertNoName(zone, 'a.b.c.hello.shop.svc.clusterset.local');
  });

  test('answers for nothing else, and is transferred to nobody', () => {
    for (const name of ['web.shop.svc.cluster.local', 'local', 'xclusterset.local', '10.in-addr.arpa']) {
      const reply = ask(zone, name);
      assert.deepEqual([reply.code, reply.authoritative], [RCODE.refused, false], name);
    }
    assert.equal(ask(zone, 'clusterset.local', TYPE.AXFR).code, RCODE.refused);
    assert.equal(answer({ labels: ['clusterset', 'local'], type: TYPE.NS, class: 3 }, zone).code, RCODE.refused);
  });
});
