/** Tables of `io.linkerd.proxy.inbound` and `.outbound`, as far as a proxy receives them. */
import { WEIGHTED_ADDR } from './destination-messages.ts';
import { Schema } from './schema.ts';
import type { FieldSpec } from './schema.ts';
import {
  DURATION,
  EMPTY,
  GRPC_FAILURE,
  GRPC_MATCH,
  HEADER_MODIFIER,
  HOST_MATCH,
  HTTP_FAILURE,
  HTTP_MATCH,
  IP_ADDRESS,
  IP_NETWORK,
  METADATA,
  REDIRECT,
  TIMEOUTS,
} from './shared-messages.ts';

// ---- Inbound

const IDENTITY = new Schema({ name: [1, 'string'] });
const CLIENT_IDENTITIES = new Schema({
  identities: [1, IDENTITY, 'repeated'],
  suffixes: [2, new Schema({ parts: [1, 'string', 'repeated'] }), 'repeated'],
});
const MESH_TLS = new Schema({}, { clients: { unauthenticated: [1, EMPTY], identities: [2, CLIENT_IDENTITIES] } });
const AUTHN = new Schema({}, { permit: { unauthenticated: [1, EMPTY], meshTLS: [2, MESH_TLS] } });
/** Also tested for itself. */
export const AUTHZ = new Schema({
  networks: [1, new Schema({ net: [1, IP_NETWORK], except: [2, IP_NETWORK, 'repeated'] }), 'repeated'],
  authentication: [2, AUTHN],
  labels: [3, 'map'],
  metadata: [4, METADATA],
});

function inboundRoute(match: Schema, filter: Schema): Schema {
  return new Schema({
    metadata: [1, METADATA],
    hosts: [2, HOST_MATCH, 'repeated'],
    authorizations: [3, AUTHZ, 'repeated'],
    rules: [4, new Schema({ matches: [1, match, 'repeated'], filters: [2, filter, 'repeated'] }), 'repeated'],
  });
}
const INBOUND_HTTP_ROUTE = inboundRoute(
  HTTP_MATCH,
  new Schema(
    {},
    {
      kind: {
        failureInjector: [1, HTTP_FAILURE],
        requestHeaderModifier: [2, HEADER_MODIFIER],
        redirect: [3, REDIRECT],
      },
    },
  ),
);
const INBOUND_GRPC_ROUTE = inboundRoute(
  GRPC_MATCH,
  new Schema({}, { kind: { failureInjector: [1, GRPC_FAILURE], requestHeaderModifier: [2, HEADER_MODIFIER] } }),
);
const LIMIT = new Schema({ requestsPerSecond: [1, 'uint32'] });
const RATE_LIMIT = new Schema({
  metadata: [1, METADATA],
  total: [2, LIMIT],
  identity: [3, LIMIT],
  overrides: [
    4,
    new Schema({ limit: [1, LIMIT], clients: [2, new Schema({ identities: [1, IDENTITY, 'repeated'] })] }),
    'repeated',
  ],
});
const INBOUND_HTTP = new Schema({ routes: [2, INBOUND_HTTP_ROUTE, 'repeated'], localRateLimit: [3, RATE_LIMIT] });
const INBOUND_PROTOCOL = new Schema(
  {},
  {
    kind: {
      detect: [
        1,
        new Schema({
          timeout: [1, DURATION],
          httpRoutes: [3, INBOUND_HTTP_ROUTE, 'repeated'],
          httpLocalRateLimit: [4, RATE_LIMIT],
        }),
      ],
      opaque: [2, EMPTY],
      tls: [3, EMPTY],
      http1: [4, INBOUND_HTTP],
      http2: [5, INBOUND_HTTP],
      grpc: [6, new Schema({ routes: [2, INBOUND_GRPC_ROUTE, 'repeated'] })],
    },
  },
);
export const INBOUND_SERVER = new Schema({
  protocol: [1, INBOUND_PROTOCOL],
  serverIps: [2, IP_ADDRESS, 'repeated'],
  authorizations: [3, AUTHZ, 'repeated'],
  labels: [4, 'map'],
});

// ---- Outbound

const PEAK_EWMA = { defaultRtt: [1, DURATION], decay: [2, DURATION] } as const;
const BALANCER = new Schema(
  { discovery: [1, new Schema({}, { kind: { dst: [1, new Schema({ path: [1, 'string'] })] } })] },
  {
    load: {
      peakEwma: [2, new Schema(PEAK_EWMA)],
      penaltyPeakEwma: [
        3,
        new Schema({ ...PEAK_EWMA, penalty: [3, DURATION], maxRetryAfter: [4, DURATION], penaltyDecay: [5, DURATION] }),
      ],
    },
  },
);
/** Also tested for itself, as it stands deep inside of policies. */
export const BACKEND = new Schema(
  {
    metadata: [1, METADATA],
    queue: [4, new Schema({ capacity: [1, 'uint32'], failfastTimeout: [2, DURATION] })],
  },
  { kind: { forward: [2, WEIGHTED_ADDR], balancer: [3, BALANCER] } },
);
const BACKOFF = new Schema({
  minBackoff: [1, DURATION],
  maxBackoff: [2, DURATION],
  jitterRatio: [3, 'float'],
  respectRetryAfterHint: [4, 'bool'],
});

function distribution(routeBackend: Schema): Schema {
  const weighted = new Schema({ backend: [1, routeBackend], weight: [2, 'uint32'] });
  return new Schema(
    {},
    {
      kind: {
        empty: [1, EMPTY],
        firstAvailable: [2, new Schema({ backends: [1, routeBackend, 'repeated'] })],
        randomAvailable: [3, new Schema({ backends: [1, weighted, 'repeated'] })],
      },
    },
  );
}

function outboundRoute(match: Schema, filter: Schema, conditions: Schema): Schema {
  const routeBackend = new Schema({
    backend: [1, BACKEND],
    filters: [3, filter, 'repeated'],
    requestTimeout: [4, DURATION],
  });
  const retry = new Schema({
    maxRetries: [1, 'uint32'],
    maxRequestBytes: [2, 'uint32'],
    conditions: [3, conditions],
    timeout: [4, DURATION],
    backoff: [5, BACKOFF],
  });
  const rule = new Schema({
    matches: [1, match, 'repeated'],
    filters: [2, filter, 'repeated'],
    backends: [3, distribution(routeBackend)],
    requestTimeout: [4, DURATION],
    timeouts: [5, TIMEOUTS],
    retry: [6, retry],
    allowL5dRequestHeaders: [7, 'bool'],
  });
  return new Schema({ metadata: [1, METADATA], hosts: [2, HOST_MATCH, 'repeated'], rules: [3, rule, 'repeated'] });
}
/** Also tested for itself. */
export const HTTP_ROUTE = outboundRoute(
  HTTP_MATCH,
  new Schema(
    {},
    {
      kind: {
        failureInjector: [1, HTTP_FAILURE],
        requestHeaderModifier: [2, HEADER_MODIFIER],
        redirect: [3, REDIRECT],
        responseHeaderModifier: [4, HEADER_MODIFIER],
      },
    },
  ),
  new Schema({ statusRanges: [1, new Schema({ start: [1, 'uint32'], end: [2, 'uint32'] }), 'repeated'] }),
);
/** Also tested for itself. */
export const GRPC_ROUTE = outboundRoute(
  GRPC_MATCH,
  new Schema({}, { kind: { failureInjector: [1, GRPC_FAILURE], requestHeaderModifier: [2, HEADER_MODIFIER] } }),
  // Numbered as the gRPC codes; one name is misspelt in the contract.
  new Schema({
    cancelled: [1, 'bool'],
    deadineExceeded: [4, 'bool'],
    resourceExhausted: [8, 'bool'],
    internal: [13, 'bool'],
    unavailable: [14, 'bool'],
  }),
);
const TCP_FILTER = new Schema(
  {},
  { kind: { invalid: [1, new Schema({ message: [1, 'string'] })], forbidden: [2, EMPTY] } },
);
const TCP_RULE = new Schema({
  backends: [1, distribution(new Schema({ backend: [1, BACKEND], filters: [3, TCP_FILTER, 'repeated'] }))],
  filters: [2, TCP_FILTER, 'repeated'],
});
const OPAQUE_ROUTE = new Schema({ metadata: [1, METADATA], rules: [3, TCP_RULE, 'repeated'] });
const TLS_ROUTE = new Schema({
  metadata: [1, METADATA],
  snis: [2, HOST_MATCH, 'repeated'],
  rules: [3, TCP_RULE, 'repeated'],
});
/** Also tested for itself. */
export const FAILURE_ACCRUAL = new Schema(
  { ejection: [3, new Schema({ minReadyEndpoints: [1, 'uint32'] })] },
  {
    kind: {
      consecutiveFailures: [1, new Schema({ maxFailures: [1, 'uint32'], backoff: [2, BACKOFF] })],
      unified: [
        2,
        new Schema({
          successRateThreshold: [1, 'double'],
          decay: [2, DURATION],
          minRequests: [3, 'uint32'],
          maxConsecutiveFailures: [4, 'uint32'],
          backoff: [5, BACKOFF],
        }),
      ],
    },
  },
);
const withRoutes = (route: Schema, more: Readonly<Record<string, FieldSpec>> = {}): Schema =>
  new Schema({ routes: [1, route, 'repeated'], ...more });
const OPAQUE = withRoutes(OPAQUE_ROUTE);
const HTTP = withRoutes(HTTP_ROUTE, { failureAccrual: [2, FAILURE_ACCRUAL] });
const OUTBOUND_PROTOCOL = new Schema(
  {},
  {
    kind: {
      detect: [1, new Schema({ timeout: [1, DURATION], opaque: [2, OPAQUE], http1: [3, HTTP], http2: [4, HTTP] })],
      opaque: [2, OPAQUE],
      http1: [3, HTTP],
      http2: [4, HTTP],
      grpc: [5, withRoutes(GRPC_ROUTE, { failureAccrual: [2, FAILURE_ACCRUAL] })],
      tls: [6, withRoutes(TLS_ROUTE)],
    },
  },
);
export const OUTBOUND_POLICY = new Schema({ protocol: [1, OUTBOUND_PROTOCOL], metadata: [2, METADATA] });
