import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { formatIp } from '@mesh/model';
import { decodeQuery } from './decode-query.ts';
import { ResponseEncoder } from './encode-response.ts';
import { RCODE, TYPE } from './message.ts';
import type { Query, Reply, ResourceRecord } from './message.ts';
import { Responder } from './responder.ts';
import { queryBytes, readResponse } from './testing/messages.ts';
import type { ReadRecord } from './testing/messages.ts';
import { endpoints, headlessImport, slice } from './testing/objects.ts';
import { ClustersetZone } from './zone.ts';

const label = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,14}[a-z0-9])?$/);
const name = fc.array(label, { minLength: 1, maxLength: 6 }).map((labels) => labels.join('.'));
const ttl = fc.nat(2 ** 31);
const port = fc.nat(65_535);
const record: fc.Arbitrary<ResourceRecord> = fc.oneof(
  fc.record({ type: fc.constant(TYPE.A), name, ttl, address: fc.uint8Array({ minLength: 4, maxLength: 4 }) }),
  fc.record({ type: fc.constant(TYPE.AAAA), name, ttl, address: fc.uint8Array({ minLength: 16, maxLength: 16 }) }),
  fc.record({ type: fc.constant(TYPE.NS), name, ttl, target: name }),
  fc.record({ type: fc.constant(TYPE.TXT), name, ttl, text: fc.stringMatching(/^[ -~]{0,80}$/) }),
  fc.record({ type: fc.constant(TYPE.SRV), name, ttl, priority: port, weight: port, port, target: name }),
  fc.record({
    type: fc.constant(TYPE.SOA),
    name,
    ttl,
    primary: name,
    mailbox: name,
    serial: ttl,
    refresh: ttl,
    retry: ttl,
    expire: ttl,
    minimum: ttl,
  }),
);
const records = fc.array(record, { maxLength: 12 });

function decoded(bytes: Uint8Array): Query {
  const result = decodeQuery(bytes);
  assert.equal(result.kind, 'query');
  return result.kind === 'query' ? result.query : assert.fail();
}

function expected(value: ResourceRecord): ReadRecord {
  return { name: value.name, type: value.type, ttl: value.ttl, data: dataOf(value) };
}

function dataOf(value: ResourceRecord): string {
  switch (value.type) {
    case TYPE.A:
    case TYPE.AAAA:
      return formatIp(value.address);
    case TYPE.NS:
      return value.target;
    case TYPE.TXT:
      return value.text;
    case TYPE.SRV:
      return `${value.priority} ${value.weight} ${value.port} ${value.target}`;
    case TYPE.SOA: {
      const { primary, mailbox, serial, refresh, retry, expire, minimum } = value;
      return [primary, mailbox, serial, refresh, retry, expire, minimum].join(' ');
    }
  }
}

function plain({ name: owner, type, ttl: seconds, data }: ReadRecord): ReadRecord {
  return { name: owner, type, ttl: seconds, data };
}

test('a response that fits is read back as it was meant, whatever names share', () => {
  const encoder = new ResponseEncoder();
  fc.assert(
    fc.property(name, records, records, records, fc.boolean(), (asked, answers, authority, additional, edns) => {
      const query = decoded(queryBytes(asked, edns ? { edns: { udpBytes: 4096 } } : {}));
      const reply: Reply = { code: RCODE.noError, authoritative: true, answers, authority, additional };
      const { bytes, truncated } = encoder.encode(query, reply, { bytesMax: 65_535, stream: true });
      const read = readResponse(bytes);
      assert.equal(truncated, false);
      assert.equal(read.question, asked);
      assert.deepEqual(read.answers.map(plain), answers.map(expected));
      assert.deepEqual(read.authority.map(plain), authority.map(expected));
      assert.deepEqual(read.additional.map(plain), additional.map(expected));
      assert.equal(read.edns !== undefined, edns);
    }),
  );
});

test('a response is never longer than its limit, and has the first answers whole', () => {
  const encoder = new ResponseEncoder();
  fc.assert(
    fc.property(
      name,
      records,
      records,
      fc.integer({ min: 200, max: 900 }),
      fc.boolean(),
      (asked, answers, additional, bytesMax, stream) => {
        const query = decoded(queryBytes(asked, { edns: { udpBytes: bytesMax } }));
        const reply: Reply = { code: RCODE.noError, authoritative: true, answers, authority: [], additional };
        const { bytes, truncated } = encoder.encode(query, reply, { bytesMax, stream });
        const read = readResponse(bytes);
        assert.ok(bytes.length <= bytesMax);
        assert.deepEqual(read.answers.map(plain), answers.slice(0, read.answers.length).map(expected));
        assert.equal(truncated, read.truncated);
        assert.equal(truncated, !stream && read.answers.length < answers.length);
        if (read.answers.length < answers.length) assert.equal(read.additional.length, 0);
      },
    ),
  );
});

test('a query cut anywhere is malformed, and one with something behind it, too', () => {
  const bytes = queryBytes('web.shop.svc.clusterset.local', { edns: { udpBytes: 1232 } });
  assert.deepEqual(decoded(bytes).edns, { udpBytes: 1232, version: 0, dnssecOk: false });
  for (let length = 0; length < bytes.length; length += 1) {
    const { kind } = decodeQuery(bytes.subarray(0, length));
    assert.equal(kind, length < 12 ? 'ignored' : 'malformed', `cut at ${length}`);
  }
  assert.equal(decodeQuery(Buffer.concat([bytes, Buffer.of(0)])).kind, 'malformed');
});

test('questions keep their letters and compare without case', () => {
  const { question, questionBytes } = decoded(queryBytes('WEB.Shop.SVC.clusterset.LOCAL'));
  assert.deepEqual(question.labels, ['web', 'shop', 'svc', 'clusterset', 'local']);
  assert.ok(Buffer.from(questionBytes).includes('Shop'));
});

test('whatever bytes come, the answer is a readable response or nothing', () => {
  const zone = new ClustersetZone({ name: 'clusterset.local', serverAddresses: [], firstSerial: 1 });
  zone.applyImport(headlessImport('db'));
  zone.applySlice(slice('db', endpoints(200)));
  const observer = { answered: () => undefined, dropped: () => undefined, connections: () => undefined };
  const responder = new Responder(zone, () => true, observer);
  const valid = queryBytes('db.shop.svc.clusterset.local', { edns: { udpBytes: 1232 } });
  const mutated = fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 6 }).map((changes) => {
    const copy = Buffer.from(valid);
    for (const [at, byte] of changes) copy[at] = byte;
    return copy;
  });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 300 })), (bytes) => {
      const response = responder.respond(bytes, 'udp');
      if (response === undefined) return;
      assert.ok(response.length <= 1232);
      assert.equal(readResponse(response).id, Buffer.from(bytes).readUInt16BE(0));
    }),
    { numRuns: 2000 },
  );
});
