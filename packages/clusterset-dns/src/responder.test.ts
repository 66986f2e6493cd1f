import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { RCODE, TYPE } from './message.ts';
import type { DropReason, Transport } from './metrics.ts';
import { Responder } from './responder.ts';
import { queryBytes, readResponse } from './testing/messages.ts';
import type { QueryOptions, ReadResponse } from './testing/messages.ts';
import { endpoints, headlessImport, serviceImport, slice } from './testing/objects.ts';
import { ClustersetZone } from './zone.ts';

class Server {
  readonly zone = new ClustersetZone({ name: 'clusterset.local', serverAddresses: [], firstSerial: 1 });
  readonly seen: string[] = [];
  complete = true;
  readonly responder = new Responder(this.zone, () => this.complete, {
    answered: (transport, type, code, truncated) => {
      this.seen.push(`${transport} ${type ?? '-'} ${code}${truncated ? ' truncated' : ''}`);
    },
    dropped: (reason: DropReason) => void this.seen.push(`dropped ${reason}`),
    connections: () => undefined,
  });

  ask(name: string, options: QueryOptions = {}, transport: Transport = 'udp'): ReadResponse {
    return readResponse(this.responder.respond(queryBytes(name, options), transport) ?? assert.fail('no response'));
  }
}

function withEndpoints(count: number): Server {
  const server = new Server();
  server.zone.applyImport(headlessImport('db'));
  server.zone.applySlice(slice('db', endpoints(count)));
  return server;
}

const DB = 'db.shop.svc.clusterset.local';

describe('how long an answer may be', () => {
  test('512 bytes without EDNS, with as many records as fit and the TC flag', () => {
    const server = withEndpoints(100);
    const response = server.ask(DB);
    assert.ok(response.truncated);
    assert.ok(response.answers.length > 20, `${response.answers.length} records for resolvers that never use TCP`);
    assert.deepEqual(server.seen, ['udp 1 0 truncated']);
  });

  test('what the client takes, up to 1232 bytes, with EDNS', () => {
    const server = withEndpoints(70);
    const response = server.ask(DB, { edns: { udpBytes: 4096 } });
    assert.equal(response.truncated, false);
    assert.equal(response.answers.length, 70);
    assert.deepEqual(response.edns, { udpBytes: 1232 });
    assert.ok(server.ask(DB, { edns: { udpBytes: 700 } }).truncated);
    assert.ok(withEndpoints(100).ask(DB, { edns: { udpBytes: 4096 } }).truncated);
    assert.ok(server.ask(DB, { edns: { udpBytes: 20 } }).answers.length > 20, 'less than 512 means 512');
  });

  test('everything over TCP, up to what a message can hold', () => {
    assert.equal(withEndpoints(800).ask(DB, {}, 'tcp').answers.length, 800);
    const srv = withEndpoints(400).ask(DB, { type: TYPE.SRV }, 'tcp');
    assert.equal(srv.answers.length, 400);
    assert.equal(srv.additional.length, 0, 'they are for small answers');
    const most = withEndpoints(6000).ask(DB, {}, 'tcp');
    assert.equal(most.truncated, false, 'there is nothing better to try than TCP');
    assert.ok(most.answers.length > 4000);
  });

  test('addresses of targets are left out before an answer is cut', () => {
    const response = withEndpoints(9).ask(DB, { type: TYPE.SRV, edns: { udpBytes: 700 } });
    assert.equal(response.truncated, false);
    assert.equal(response.answers.length, 9);
    assert.ok(response.additional.length < 9);
  });
});

describe('what is refused', () => {
  const server = new Server();
  server.zone.applyImport(serviceImport('hello'));
  const name = 'hello.shop.svc.clusterset.local';

  test('other operations, newer EDNS, other zones', () => {
    assert.equal(server.ask(name, { opcode: 5 }).code, RCODE.notImplemented);
    assert.equal(server.ask(name, { edns: { udpBytes: 1232, version: 1 } }).code, RCODE.badVersion);
    assert.equal(server.ask('hello.shop.svc.cluster.local').code, RCODE.refused);
  });

  test('messages that are responses, or no messages, get no answer', () => {
    const response = queryBytes(name);
    response[2] = 0x80;
    assert.equal(server.responder.respond(response, 'udp'), undefined);
    assert.equal(server.responder.respond(Buffer.alloc(11), 'udp'), undefined);
    assert.deepEqual(server.seen.slice(-2), ['dropped no_query', 'dropped no_query']);
  });

  test('a question that cannot be read is a format error', () => {
    const broken = queryBytes(name).subarray(0, 20);
    const response = readResponse(server.responder.respond(broken, 'udp') ?? assert.fail());
    assert.deepEqual([response.code, response.id, response.question], [RCODE.formatError, 7, '']);
  });

  test('nothing is denied before everything was read once', () => {
    server.complete = false;
    assert.equal(server.ask('x.shop.svc.clusterset.local').code, RCODE.serverFailure);
    server.complete = true;
    assert.equal(server.ask('x.shop.svc.clusterset.local').code, RCODE.noSuchName);
  });
});

test('the question comes back with its letters, and owner names follow it', () => {
  const server = withEndpoints(1);
  const response = server.ask('DB.Shop.svc.CLUSTERSET.local');
  assert.equal(response.question, 'DB.Shop.svc.CLUSTERSET.local');
  assert.equal(response.answers[0]?.name, 'DB.Shop.svc.CLUSTERSET.local');
});

test('a label with a dot in it is not taken for two', () => {
  const server = withEndpoints(1);
  const bytes = Buffer.concat([
    queryBytes('').subarray(0, 12),
    Buffer.from('\u0006ns.dns\u000aclusterset\u0005local\u0000\u0000\u0001\u0000\u0001', 'latin1'),
  ]);
  const response = readResponse(server.responder.respond(bytes, 'udp') ?? assert.fail());
  assert.equal(response.code, RCODE.noSuchName);
  assert.match(response.authority[0]?.data ?? '', /^ns\.dns\.clusterset\.local /);
});
