import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import { createKernelOriginalDst } from './kernel-original-dst.ts';
import type { SocketCalls } from './socket-calls.ts';

const LOCAL = { ip: '127.0.0.1', port: 4140 };
const SOCKET = { _handle: { fd: 7 } } as unknown as Socket;
const LISTENER = [2, 0, 0x10, 0x2c, 127, 0, 0, 1];

function calls(own: readonly number[] | undefined, original: readonly number[] | undefined): SocketCalls {
  const fill = (from: readonly number[] | undefined, into: Uint8Array): boolean => {
    if (from !== undefined) into.set(from);
    return from !== undefined;
  };
  return {
    localAddress: (_fd, into) => fill(own, into),
    originalDst: (_fd, _family, into) => fill(original, into),
  };
}

test('a redirected connection has the destination that the kernel tracked', () => {
  const lookUp = createKernelOriginalDst(calls(LISTENER, [2, 0, 0, 80, 10, 21, 3, 4]));
  assert.deepEqual(lookUp(SOCKET, LOCAL), { ip: '10.21.3.4', port: 80 });
});

test('where the kernel tracks nothing, the address of the socket counts', () => {
  assert.deepEqual(createKernelOriginalDst(calls(LISTENER, undefined))(SOCKET, LOCAL), LOCAL);
});

test('a tracked connection that nobody redirected has the address that was read at accept', () => {
  const seen = { ip: '10.9.8.7', port: 99 };
  assert.deepEqual(createKernelOriginalDst(calls(LISTENER, LISTENER))(SOCKET, seen), seen);
});

test('a connection to the same port of another address was redirected', () => {
  const lookUp = createKernelOriginalDst(calls(LISTENER, [2, 0, 0x10, 0x2c, 10, 0, 0, 1]));
  assert.deepEqual(lookUp(SOCKET, LOCAL), { ip: '10.0.0.1', port: 4140 });
});

test('a socket that is gone has no destination', () => {
  const known = calls(LISTENER, [2, 0, 0, 80, 10, 21, 3, 4]);
  assert.equal(createKernelOriginalDst(known)({ _handle: null } as unknown as Socket, LOCAL), undefined);
  assert.equal(createKernelOriginalDst(known)(SOCKET, { ip: '', port: 0 }), undefined);
  assert.equal(createKernelOriginalDst(calls(undefined, undefined))(SOCKET, LOCAL), undefined);
});

test('the question is asked in the version of the connection, IPv4 also on a socket for both', () => {
  const asked: string[] = [];
  const base = calls(undefined, undefined);
  const with6 = (own: readonly number[]): SocketCalls => ({
    localAddress: (_fd, into) => {
      into.fill(0);
      into.set(own);
      return true;
    },
    originalDst: (fd, family, into) => {
      asked.push(family);
      return base.originalDst(fd, family, into);
    },
  });
  createKernelOriginalDst(with6(LISTENER))(SOCKET, LOCAL);
  createKernelOriginalDst(with6([10, 0, 0x10, 0x2c, 0, 0, 0, 0, 0xfd]))(SOCKET, LOCAL);
  createKernelOriginalDst(with6([10, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]))(
    SOCKET,
    LOCAL,
  );
  assert.deepEqual(asked, ['ipv4', 'ipv6', 'ipv4']);
});
