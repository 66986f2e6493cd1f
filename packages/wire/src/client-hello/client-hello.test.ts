import assert from 'node:assert/strict';
import { Duplex } from 'node:stream';
import { test } from 'node:test';
import { connect } from 'node:tls';
import fc from 'fast-check';
import { CLIENT_HELLO_BYTES_MAX, readClientHello } from './client-hello.ts';

/** The first flight of a real TLS client. */
function realHello(options: { servername?: string; ALPNProtocols?: string[] }): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, callback) {
        resolve(chunk);
        callback();
        queueMicrotask(() => wire.destroy());
      },
    });
    connect({ socket: wire, ...options }).on('error', () => undefined);
  });
}

/** The same hello in records of `size` bytes. */
function fragmented(hello: Buffer, size: number): Buffer {
  const body = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < body.length; at += size) {
    const part = body.subarray(at, at + size);
    records.push(Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 0xff]), part);
  }
  return Buffer.concat(records);
}

test('name and protocols of a real hello are read, and nothing before it is whole', async () => {
  const hello = await realHello({ servername: 'web.ns.serviceaccount', ALPNProtocols: ['transport.l5d.io/v1', 'h2'] });
  assert.deepEqual(readClientHello(hello), {
    kind: 'hello',
    sni: 'web.ns.serviceaccount',
    alpn: ['transport.l5d.io/v1', 'h2'],
  });
  for (let length = 0; length < hello.length; length += 1) {
    assert.equal(readClientHello(hello.subarray(0, length)).kind, 'incomplete', `after ${length} bytes`);
  }
  assert.equal(readClientHello(Buffer.concat([hello, Buffer.from('more')])).kind, 'hello');
});

test('a hello over several records is put together', async () => {
  const hello = await realHello({ servername: 'a.test' });
  for (const size of [2, 3, 50, 200]) {
    const records = fragmented(hello, size);
    assert.deepEqual(readClientHello(records), { kind: 'hello', sni: 'a.test', alpn: [] });
    assert.equal(readClientHello(records.subarray(0, records.length - 1)).kind, 'incomplete');
  }
});

test('a hello without a name has none', async () => {
  const hello = await realHello({});
  assert.deepEqual(readClientHello(hello), { kind: 'hello', sni: undefined, alpn: [] });
});

test('other protocols are told apart at once', () => {
  assert.equal(readClientHello(Buffer.from('GET / HTTP/1.1')).kind, 'not_tls');
  assert.equal(readClientHello(Buffer.from([0x16, 0x02])).kind, 'not_tls');
  assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 10, 2, 0, 0, 6])).kind, 'not_tls');
  assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 0])).kind, 'malformed');
  assert.equal(readClientHello(Buffer.from([0x16, 3, 1, 0, 4, 1, 0xff, 0, 0])).kind, 'malformed');
  assert.equal(readClientHello(new Uint8Array(0)).kind, 'incomplete');
});

test('the limit ends the wait', () => {
  const endless = Buffer.alloc(CLIENT_HELLO_BYTES_MAX, 0);
  endless.set([0x16, 3, 1, 0x40, 0, 1, 0, 0x1f, 0xff]);
  assert.equal(readClientHello(endless).kind, 'malformed');
});

test('damaged hellos and garbage never throw', async () => {
  const hello = await realHello({ servername: 'a.test', ALPNProtocols: ['h2'] });
  fc.assert(
    fc.property(fc.nat(), fc.nat(255), fc.uint8Array({ maxLength: 60 }), (at, byte, garbage) => {
      const damaged = Buffer.from(hello);
      damaged[at % damaged.length] = byte;
      readClientHello(damaged);
      readClientHello(garbage);
      readClientHello(Buffer.concat([Buffer.from([0x16, 3, 1]), garbage]));
    }),
    { numRuns: 500 },
  );
});
