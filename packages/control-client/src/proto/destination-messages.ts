/** Tables of `io.linkerd.proxy.destination` and `.identity`, as far as a proxy receives them. */
import { Schema } from './schema.ts';
import { DURATION, EMPTY, HTTP_METHOD, METADATA, TCP_ADDRESS } from './shared-messages.ts';

const NAME = new Schema({ name: [1, 'string'] });
const TLS_IDENTITY = new Schema(
  { serverName: [4, NAME] },
  { strategy: { dnsLikeIdentity: [1, NAME], uriLikeIdentity: [3, new Schema({ uri: [1, 'string'] })] } },
);
const PROTOCOL_HINT = new Schema(
  { opaqueTransport: [2, new Schema({ inboundPort: [1, 'uint32'] })] },
  { protocol: { h2: [1, EMPTY], opaque: [3, EMPTY] } },
);
const HTTP2_PARAMS = new Schema({
  flowControl: [
    1,
    new Schema({
      initialConnectionWindowSize: [1, 'uint32'],
      initialStreamWindowSize: [2, 'uint32'],
      adaptiveFlowControl: [3, 'bool'],
    }),
  ],
  keepAlive: [2, new Schema({ interval: [1, DURATION], timeout: [2, DURATION], whileIdle: [3, 'bool'] })],
  internals: [
    3,
    new Schema({
      maxConcurrentResetStreams: [1, 'uint32'],
      maxFrameSize: [2, 'uint32'],
      maxSendBufSize: [3, 'uint32'],
    }),
  ],
});
export const WEIGHTED_ADDR = new Schema({
  addr: [1, TCP_ADDRESS],
  weight: [3, 'uint32'],
  metricLabels: [4, 'map'],
  tlsIdentity: [5, TLS_IDENTITY],
  protocolHint: [6, PROTOCOL_HINT],
  authorityOverride: [7, new Schema({ authorityOverride: [1, 'string'] })],
  http2: [8, HTTP2_PARAMS],
  resourceRef: [9, METADATA],
});

export const UPDATE = new Schema(
  {},
  {
    update: {
      add: [1, new Schema({ addrs: [1, WEIGHTED_ADDR, 'repeated'], metricLabels: [2, 'map'] })],
      remove: [2, new Schema({ addrs: [1, TCP_ADDRESS, 'repeated'] })],
      noEndpoints: [3, new Schema({ exists: [1, 'bool'] })],
    },
  },
);

const REQUEST_MATCH: Schema = new Schema(
  {},
  {
    match: {
      all: [1, () => REQUEST_SEQ],
      any: [2, () => REQUEST_SEQ],
      not: [3, () => REQUEST_MATCH],
      path: [4, new Schema({ regex: [1, 'string'] })],
      method: [5, HTTP_METHOD],
    },
  },
);
const REQUEST_SEQ = new Schema({ matches: [1, REQUEST_MATCH, 'repeated'] });
const RESPONSE_MATCH: Schema = new Schema(
  {},
  {
    match: {
      all: [1, () => RESPONSE_SEQ],
      any: [2, () => RESPONSE_SEQ],
      not: [3, () => RESPONSE_MATCH],
      status: [4, new Schema({ min: [1, 'uint32'], max: [2, 'uint32'] })],
    },
  },
);
const RESPONSE_SEQ = new Schema({ matches: [1, RESPONSE_MATCH, 'repeated'] });
const RESPONSE_CLASS = new Schema({ condition: [1, RESPONSE_MATCH], isFailure: [2, 'bool'] });
const ROUTE = new Schema({
  condition: [1, REQUEST_MATCH],
  responseClasses: [2, RESPONSE_CLASS, 'repeated'],
  metricsLabels: [3, 'map'],
  isRetryable: [4, 'bool'],
  timeout: [5, DURATION],
});

export const DESTINATION_PROFILE = new Schema({
  routes: [1, ROUTE, 'repeated'],
  retryBudget: [2, new Schema({ retryRatio: [1, 'float'], minRetriesPerSecond: [2, 'uint32'], ttl: [3, DURATION] })],
  dstOverrides: [
    3,
    new Schema({ authority: [1, 'string'], weight: [2, 'uint32'], backendRef: [3, METADATA] }),
    'repeated',
  ],
  opaqueProtocol: [4, 'bool'],
  fullyQualifiedName: [5, 'string'],
  endpoint: [6, WEIGHTED_ADDR],
  parentRef: [7, METADATA],
  profileRef: [8, METADATA],
});

export const CERTIFY_RESPONSE = new Schema({
  leafCertificate: [1, 'bytes'],
  intermediateCertificates: [2, 'bytes', 'repeated'],
  validUntil: [3, 'timestamp'],
});
