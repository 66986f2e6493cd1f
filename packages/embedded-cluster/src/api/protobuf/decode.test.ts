import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { KubeStatusError } from '../status-error.ts';
import { decodeProtobuf } from './decode.ts';

function field(number: number, value: string | Buffer): Buffer {
  const bytes = Buffer.from(value);
  assert.ok(bytes.length < 128);
  return Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes]);
}

function envelope(apiVersion: string, kind: string, raw: Buffer): Buffer {
  const type = Buffer.concat([field(1, apiVersion), field(2, kind)]);
  return Buffer.concat([Buffer.from('k8s\0'), field(1, type), field(2, raw)]);
}

test('a ConfigMap is read with its maps, and zero members of its metadata are left out', () => {
  const metadata = Buffer.concat([field(1, 'a'), field(2, ''), field(8, Buffer.alloc(0)), Buffer.from([7 << 3, 0])]);
  const data = Buffer.concat([field(1, 'key'), field(2, 'value')]);
  const body = envelope('v1', 'ConfigMap', Buffer.concat([field(1, metadata), field(2, data)]));
  assert.deepEqual(decodeProtobuf(body), {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'a' },
    data: { key: 'value' },
  });
});

test('a kind without a published message is refused with 415', () => {
  assert.throws(
    () => decodeProtobuf(envelope('example.com/v1', 'Widget', Buffer.alloc(0))),
    (error) => error instanceof KubeStatusError && error.httpCode === 415,
  );
});

test('garbage is refused and never crashes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      try {
        decodeProtobuf(envelope('v1', 'Pod', Buffer.from(bytes.slice(0, 120))));
      } catch (error) {
        assert.ok(error instanceof KubeStatusError && error.httpCode === 400);
      }
    }),
  );
});
