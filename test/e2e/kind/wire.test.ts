/** What somebody who listens between the nodes of two clusters sees: TLS, and not a word of the shop. */
import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { gatewayAddress } from '../../../scripts/home/install-mesh.ts';
import type { KindHome } from '../../../scripts/home/kind-home.ts';
import { runProgram } from '../../../scripts/home/program.ts';
import { labelService, serviceExists, SHOP } from '../../../scripts/home/shop.ts';
import { until } from '../federation.ts';
import type { Federation } from '../federation.ts';
import { capture } from './capture.ts';
import { ensureImage } from './images.ts';
import type { Segment } from './pcap.ts';
import { openKindFederation, restart, SKIP } from './workloads.ts';

/** What requests of the shop would say in clear. Names that TLS itself does not hide (SNI, ALPN) are not among them. */
const WORDS = ['HTTP/1.1', 'GET /', 'products', 'catalog', 'l5d-', 'forwarded'] as const;
const GATEWAY_PORT = 4143;
/** First byte of a TLS record with a handshake message, RFC 8446 §5.1. */
const TLS_HANDSHAKE = 0x16;
/** Where kube-proxy answers for its health, without TLS. */
const CLEAR_PORT = 10256;
/** Of fifty requests and their answers, under TLS. */
const CROSSING_BYTES_MIN = 10_000;
/** What passed is in the capture a moment later, on a busy machine a long one. */
const CAPTURED_MS = 60_000;

suite('wire', { skip: SKIP }, () => {
  let federation: Federation;
  let home: KindHome;

  before(async () => {
    ({ federation, home } = await openKindFederation());
    await ensureImage('tcpdump');
    await Promise.all([federation.deployShops(), federation.linkBoth()]);
    await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
    await serviceExists(federation.east, 'catalog-west', true);
    await federation.customer('load', { west: 'http://web/browse?store=west' });
    await federation.request('west', 0);
  });

  after(() => federation?.[Symbol.asyncDispose]());

  test('requests between clusters cross the network under TLS, from the first byte of every connection', async () => {
    const address = await gatewayAddress(home.cluster('west'));
    const segments = await capture('east-control-plane', `tcp and host ${address}`, async (seen) => {
      // A new sidecar makes new connections: their first bytes are the interesting ones.
      await restart(federation.east, SHOP, 'web');
      await federation.request('west', Date.now());
      await federation.watch('west', 50);
      await until(
        'a new connection and what crossed on it to be captured',
        () => crossingOf(seen()).some(opens) && bytesOf(crossingOf(seen())) > CROSSING_BYTES_MIN,
        { timeoutMs: CAPTURED_MS },
      );
    });
    const crossing = crossingOf(segments);
    const bytes = bytesOf(crossing);
    assert.ok(
      bytes > CROSSING_BYTES_MIN,
      `captured ${bytes} bytes of ${crossing.length} segments to and from ${address}`,
    );
    assert.ok(crossing.some(opens), 'no connection was opened meanwhile');
    assert.deepEqual(readable(crossing), []);
  });

  test('the listener would have seen requests in clear', async () => {
    const segments = await capture('west-control-plane', `tcp port ${CLEAR_PORT}`, async (seen) => {
      await runProgram('docker', [
        'exec',
        'east-control-plane',
        'curl',
        '-s',
        `http://west-control-plane:${CLEAR_PORT}/`,
      ]);
      await until('the request to be captured', () => wordsOf(seen()).size === 2, { timeoutMs: CAPTURED_MS });
    });
    assert.deepEqual(wordsOf(segments), new Set(['HTTP/1.1', 'GET /']));
  });
});

function crossingOf(segments: readonly Segment[]): readonly Segment[] {
  return segments.filter(({ source, target }) => source.port === GATEWAY_PORT || target.port === GATEWAY_PORT);
}

function bytesOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, segment) => sum + segment.payload.length, 0);
}

function opens({ payload }: Segment): boolean {
  return payload[0] === TLS_HANDSHAKE;
}

function wordsOf(segments: readonly Segment[]): ReadonlySet<string | undefined> {
  return new Set(readable(segments).map((found) => found.split(' from ')[0]));
}

function readable(segments: readonly Segment[]): readonly string[] {
  return segments.flatMap(({ source, target, payload }) => {
    const text = payload.toString('latin1').toLowerCase();
    return WORDS.filter((word) => text.includes(word.toLowerCase())).map(
      (word) => `${word} from ${source.ip}:${source.port} to ${target.ip}:${target.port}`,
    );
  });
}
