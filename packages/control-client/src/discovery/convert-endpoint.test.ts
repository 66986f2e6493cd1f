import assert from 'node:assert/strict';
import { test } from 'node:test';
import { destination, tcpAddress } from '@mesh/proxy-api';
import { toEndpoint } from './convert-endpoint.ts';

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

function http2Of(http2: unknown): unknown {
  const message = destination.WeightedAddr.fromPartial({ addr: tcpAddress('10.0.0.1', 80) });
  return toEndpoint({ ...message, http2: http2 as destination.Http2ClientParams })?.http2;
}

test('windows and keep-alive of HTTP/2 hold when they are whole, and are the proxy’s own choice otherwise', () => {
  assert.equal(http2Of(undefined), undefined);
  assert.deepEqual(
    http2Of({
      flowControl: {
        initialStreamWindowSize: 100_000,
        initialConnectionWindowSize: 2_000_000,
        adaptiveFlowControl: false,
      },
      keepAlive: { interval: seconds(10), timeout: seconds(3), whileIdle: true },
      internals: undefined,
    }),
    {
      streamWindowBytes: 100_000,
      connectionWindowBytes: 2_000_000,
      keepAlive: { intervalMs: 10_000, timeoutMs: 3000, whileIdle: true },
    },
  );
  assert.deepEqual(
    http2Of({
      flowControl: { initialStreamWindowSize: 100_000, initialConnectionWindowSize: 0, adaptiveFlowControl: false },
      keepAlive: { interval: seconds(10), timeout: undefined, whileIdle: false },
      internals: undefined,
    }),
    { streamWindowBytes: undefined, connectionWindowBytes: undefined, keepAlive: undefined },
  );
});
