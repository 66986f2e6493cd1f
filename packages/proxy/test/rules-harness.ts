/** Policies of destinations whose routes have retries and time limits. */
import assert from 'node:assert/strict';
import { NO_TIMEOUTS } from '@mesh/model';
import type { HttpRoute, OutboundPolicy, RetryPolicy, RouteTimeouts } from '@mesh/model';
import { balanced, outboundPolicy } from '../src/testing/fakes.ts';

export const ROUTED_PATH = 'app.ns.svc.cluster.local:80';

/** Two tries after the first, at once. */
const RETRY: RetryPolicy = {
  maxRetries: 2,
  maxRequestBytes: 65_536,
  statusRanges: [{ start: 502, end: 504 }],
  grpcCodes: new Set(),
  tryTimeoutMs: undefined,
  backoff: { minMs: 1, maxMs: 5, jitterRatio: 0 },
};

export interface Rules {
  readonly retry?: Partial<RetryPolicy>;
  readonly timeouts?: Partial<RouteTimeouts>;
}

/** The fake policy with rules for all of its routes. */
export function policyWith({ retry, timeouts }: Rules, kind: 'detect' | 'grpc' = 'detect'): OutboundPolicy {
  const policy = outboundPolicy(balanced(ROUTED_PATH, 300, 1));
  assert.ok(policy.protocol.kind === 'detect');
  const routes = policy.protocol.http1.map((route): HttpRoute => ({
    ...route,
    rules: route.rules.map((rule) => ({
      ...rule,
      timeouts: { ...NO_TIMEOUTS, ...timeouts },
      retry: retry === undefined ? undefined : { ...RETRY, ...retry },
    })),
  }));
  const protocol = kind === 'grpc' ? { kind, http2: routes } : { ...policy.protocol, http1: routes, http2: routes };
  return { ...policy, protocol };
}
