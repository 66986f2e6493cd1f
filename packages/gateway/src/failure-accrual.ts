/** What the cluster's policy says of endpoints of a Service that fail: the same that sidecars of this cluster hold to. */
import type {
  Backend,
  Distribution,
  FailureAccrualPolicy,
  HttpRoute,
  OutboundPolicy,
  OutboundRefused,
} from '@mesh/model';

/** @param policy Of the Service, as a client of this cluster gets it. */
export function failureAccrualOf(policy: OutboundPolicy | OutboundRefused): FailureAccrualPolicy | undefined {
  if ('refused' in policy) return undefined;
  // It holds for all routes of a protocol, and so for all of their backends.
  for (const route of httpRoutes(policy)) {
    for (const { backends } of route.rules) {
      const [first] = listBackends(backends);
      if (first !== undefined) return first.failureAccrual;
    }
  }
  return undefined;
}

function httpRoutes({ protocol }: OutboundPolicy): readonly HttpRoute[] {
  switch (protocol.kind) {
    case 'detect':
    case 'http1':
      return protocol.http1;
    case 'http2':
    case 'grpc':
      return protocol.http2;
    case 'opaque':
    case 'tls':
      return [];
  }
}

function listBackends(distribution: Distribution): readonly Backend[] {
  switch (distribution.kind) {
    case 'empty':
      return [];
    case 'first_available':
      return distribution.backends;
    case 'random_available':
      return distribution.backends.map(({ backend }) => backend);
  }
}
