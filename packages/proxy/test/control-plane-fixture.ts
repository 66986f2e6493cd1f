/** A control plane and a trust domain for whole-proxy tests: certificates are really issued, policies and endpoints are what a test says. */
import { FakeControlPlane } from '@mesh/control-client/testing';
import { chainPem, createIssuer, createTrustAnchor, issueLeaf, parseRequest } from '@mesh/pki';
import { destination, durationFromMs, identity, inbound, outbound, tcpAddress } from '@mesh/proxy-api';

export const TRUST_DOMAIN = 'serviceaccount.identity.linkerd.cluster.local';
export const SERVICE_PATH = 'catalog.shop.svc.cluster.local:80';

export interface Plane {
  readonly plane: FakeControlPlane;
  readonly port: number;
  readonly trustPem: string;
  /** What `Destination.Get` answers. */
  endpoints: readonly destination.WeightedAddr[];
}

/** A running control plane in plain text on loopback: it certifies everybody, allows everybody, and balances over `endpoints`. */
export async function startPlane(): Promise<Plane> {
  const anchor = await createTrustAnchor({ commonName: 'root.linkerd.cluster.local' });
  const issuer = await createIssuer(anchor, { commonName: 'identity.linkerd.cluster.local' });
  const plane = new FakeControlPlane();
  plane.certify = async (request) => {
    const leaf = await issueLeaf(issuer, await parseRequest(request.certificateSigningRequest));
    return identity.CertifyResponse.fromPartial({
      leafCertificate: leaf.der,
      intermediateCertificates: issuer.chain.map((one) => one.der),
      validUntil: new Date(leaf.notAfterMs),
    });
  };
  plane.watchPort = (stream) => stream.send(ALLOW_ALL);
  plane.watchOutbound = (stream) => stream.send(DETECT);
  plane.getProfile = (stream) => stream.send(destination.DestinationProfile.fromPartial({}));
  const state: Plane = { plane, port: await plane.listen(), trustPem: chainPem([anchor.certificate]), endpoints: [] };
  plane.get = (stream) =>
    stream.send({
      update: {
        $case: 'add',
        value: { addrs: [...state.endpoints], metricLabels: { service: 'catalog', namespace: 'shop' } },
      },
    });
  return state;
}

/** An endpoint; with a transport port it is meshed. */
export function endpoint(
  port: number,
  meshed?: { readonly identity: string; readonly transportPort: number },
): destination.WeightedAddr {
  return destination.WeightedAddr.fromPartial({
    addr: tcpAddress('127.0.0.1', port),
    weight: 10_000,
    metricLabels: { deployment: 'catalog' },
    ...(meshed === undefined
      ? {}
      : {
          tlsIdentity: { strategy: { $case: 'dnsLikeIdentity' as const, value: { name: meshed.identity } } },
          protocolHint: { opaqueTransport: { inboundPort: meshed.transportPort } },
        }),
  });
}

/** The environment of a proxy of this control plane, on any free ports. */
export function proxyEnv(plane: Plane, serviceAccount: string, tokenPath: string): Record<string, string> {
  const service = `localhost:${plane.port}`;
  const env = {
    DESTINATION_SVC_ADDR: service,
    POLICY_SVC_ADDR: service,
    IDENTITY_SVC_ADDR: service,
    POLICY_WORKLOAD: `{"ns":"shop","pod":"${serviceAccount}-0"}`,
    DESTINATION_CONTEXT: '{"ns":"shop"}',
    IDENTITY_TRUST_ANCHORS: plane.trustPem,
    IDENTITY_TOKEN_FILE: tokenPath,
    IDENTITY_LOCAL_NAME: `${serviceAccount}.shop.${TRUST_DOMAIN}`,
    DESTINATION_PROFILE_NETWORKS: '10.0.0.0/8',
    INBOUND_LISTEN_ADDR: '127.0.0.1:0',
    OUTBOUND_LISTEN_ADDR: '127.0.0.1:0',
    ADMIN_LISTEN_ADDR: '127.0.0.1:0',
    SHUTDOWN_GRACE_PERIOD: '2s',
    SHUTDOWN_ENDPOINT_ENABLED: 'true',
    LOG: 'off',
  };
  return Object.fromEntries(Object.entries(env).map(([key, value]) => [`LINKERD2_PROXY_${key}`, value]));
}

const network = (ip: string) => ({ net: { ip: tcpAddress(ip, 1)?.ip, prefixLen: 0 } });

export const ALLOW_ALL = inbound.Server.fromPartial({
  protocol: { kind: { $case: 'detect', value: { timeout: durationFromMs(10_000) } } },
  labels: { group: '', kind: 'default', name: 'all-unauthenticated' },
  authorizations: [
    {
      networks: [network('0.0.0.0'), network('::')],
      authentication: { permit: { $case: 'unauthenticated', value: {} } },
      metadata: { kind: { $case: 'default', value: 'all-unauthenticated' } },
    },
  ],
});

const SERVICE_REF = {
  kind: {
    $case: 'resource' as const,
    value: { group: 'core', kind: 'Service', name: 'catalog', namespace: 'shop', port: 80 },
  },
};
const BACKENDS = {
  kind: {
    $case: 'firstAvailable' as const,
    value: {
      backends: [
        {
          backend: {
            metadata: SERVICE_REF,
            queue: { capacity: 100, failfastTimeout: durationFromMs(1000) },
            kind: {
              $case: 'balancer' as const,
              value: {
                discovery: { kind: { $case: 'dst' as const, value: { path: SERVICE_PATH } } },
                load: {
                  $case: 'peakEwma' as const,
                  value: { defaultRtt: durationFromMs(30), decay: durationFromMs(10_000) },
                },
              },
            },
          },
        },
      ],
    },
  },
};
const http = {
  routes: [{ metadata: { kind: { $case: 'default' as const, value: 'http' } }, rules: [{ backends: BACKENDS }] }],
};
const DETECT = outbound.OutboundPolicy.fromPartial({
  metadata: SERVICE_REF,
  protocol: {
    kind: {
      $case: 'detect',
      value: {
        timeout: durationFromMs(10_000),
        http1: http,
        http2: http,
        opaque: {
          routes: [
            { metadata: { kind: { $case: 'default' as const, value: 'opaq' } }, rules: [{ backends: BACKENDS }] },
          ],
        },
      },
    },
  },
});
