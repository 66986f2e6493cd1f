import assert from 'node:assert/strict';
import { test } from 'node:test';
import { frame, PING, POST, server } from '../testing/h2-peer.ts';
import { H2_ERROR } from './codes.ts';

const CALM = H2_ERROR.enhanceYourCalm;

test('what a peer begins must arrive in time: a frame, a header block in pieces, a piece of a body', () => {
  const begun: readonly (readonly [string, readonly Uint8Array[]])[] = [
    ['half a frame head', [PING.subarray(0, 5)]],
    ['half a frame', [PING.subarray(0, 12)]],
    ['half a header block', [frame(1, 0, 3, POST)]],
    ['a header block that drips', [frame(1, 0, 3, POST), frame(9, 0, 3), frame(9, 0, 3)]],
    ['half a body frame', [frame(0, 0, 1, [1, 2, 3]).subarray(0, 10)]],
    ['half a frame behind a whole one', [Buffer.concat([PING, PING.subarray(0, 5)])]],
  ];
  for (const [what, pieces] of begun) {
    const peer = server({ frameTimeoutMs: 1000 });
    peer.connection.receive(frame(1, 4, 1, POST), 0);
    for (const [index, piece] of pieces.entries()) peer.connection.receive(piece, 100 + index * 400);
    const sinceMs = what === 'a header block that drips' ? 100 : 100 + (pieces.length - 1) * 400;
    peer.connection.checkProgress(sinceMs + 999);
    assert.equal(peer.connection.failed, false, what);
    peer.connection.checkProgress(sinceMs + 1000);
    assert.equal(peer.log.at(-1), `failed ${CALM} frame_timeout`, what);
  }
});

test('a connection between frames may be silent, and a body frame may be slow as long as it moves', () => {
  const peer = server({ frameTimeoutMs: 1000 });
  peer.connection.receive(frame(1, 4, 1, POST), 0);
  peer.connection.checkProgress(1_000_000);
  const body = frame(0, 0, 1, Array(100).fill(7));
  for (let at = 0; at < body.length; at += 10) {
    peer.connection.receive(body.subarray(at, at + 10), 2_000_000 + at * 90);
    peer.connection.checkProgress(2_000_000 + at * 90 + 899);
  }
  peer.connection.receive(frame(1, 0, 3, POST), 3_000_000);
  peer.connection.receive(frame(9, 4, 3), 3_000_900);
  peer.connection.receive(PING.subarray(0, 3), 3_000_950);
  peer.connection.checkProgress(3_001_900);
  assert.equal(peer.connection.failed, false);
});
