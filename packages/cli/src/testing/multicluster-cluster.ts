/** A cluster with the control plane, the extension and an account for linked clusters, in memory. */
import { CONFIG_MAPS, CUSTOM_RESOURCE_DEFINITIONS, SECRETS, SERVICE_ACCOUNTS, SERVICES } from '@mesh/kube';
import type { Link, RawResponse } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { federationCrdManifests } from '../manifests/crds.ts';

export const MC = 'linkerd-multicluster';

interface InstalledOptions {
  /** The gateway has an address; it has unless this is false. */
  readonly ingress?: boolean;
  /** What the default account may read. */
  readonly access?: 'exports' | 'cluster';
}

/** An account with a token that does not expire; others are to be had for the asking. */
export function seedAccount(api: FakeApi, name: string, access: 'exports' | 'cluster' = 'cluster'): void {
  const annotations = { 'federation.mesh.dev/access': access };
  api.seed(SERVICE_ACCOUNTS, { metadata: { namespace: MC, name, annotations } });
  api.seed(SECRETS, {
    metadata: { namespace: MC, name: `${name}-token` },
    data: { token: Buffer.from('STATIC').toString('base64'), 'ca.crt': Buffer.from('CA\n').toString('base64') },
  });
}

function tokenAnswer(body: unknown): RawResponse {
  const { expirationSeconds } = (body as { readonly spec: { readonly expirationSeconds: number } }).spec;
  const expirationTimestamp = new Date(Date.now() + expirationSeconds * 1000).toISOString();
  return {
    status: 201,
    text: JSON.stringify({ status: { token: `TOKEN-FOR-${expirationSeconds}`, expirationTimestamp } }),
  };
}

/** A cluster with the control plane, the extension, and a gateway that has an address. */
export function installed(options: InstalledOptions = {}): FakeApi {
  const api = new FakeApi();
  api.seed(CONFIG_MAPS, {
    metadata: { namespace: 'linkerd', name: 'linkerd-config' },
    data: { values: 'clusterDomain: west.local\nidentityTrustDomain: mesh.example\nlinkerdVersion: 0.1.0\n' },
  });
  api.seed(CONFIG_MAPS, {
    metadata: { namespace: 'linkerd', name: 'linkerd-identity-trust-roots' },
    data: { 'ca-bundle.crt': 'ANCHORS\n' },
  });
  api.seed(CONFIG_MAPS, { metadata: { namespace: MC, name: 'kube-root-ca.crt' }, data: { 'ca.crt': 'CA\n' } });
  seedAccount(api, 'linkerd-service-mirror-remote-access-default', options.access);
  api.onRaw((path, { body }) => (path.endsWith('/token') ? tokenAnswer(body) : undefined));
  for (const crd of federationCrdManifests()) api.seed(CUSTOM_RESOURCE_DEFINITIONS, crd as never);
  api.seed(SERVICES, {
    metadata: {
      namespace: MC,
      name: 'linkerd-gateway',
      annotations: {
        'mirror.linkerd.io/gateway-identity':
          'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.mesh.example',
        'mirror.linkerd.io/probe-path': '/ready',
        'mirror.linkerd.io/probe-period': '3',
      },
    },
    spec: {
      type: 'LoadBalancer',
      ports: [
        { name: 'mc-gateway', port: 4143 },
        { name: 'mc-probe', port: 4191 },
      ],
    },
    status:
      options.ingress === false
        ? {}
        : { loadBalancer: { ingress: [{ ip: '198.51.100.7' }, { hostname: 'gw.example' }] } },
  });
  return api;
}

/** A Link to a cluster with a gateway. */
export function link(name: string): Link {
  return {
    metadata: { namespace: MC, name },
    spec: {
      targetClusterName: name,
      targetClusterDomain: 'cluster.local',
      clusterCredentialsSecret: `cluster-credentials-${name}`,
      gatewayAddress: '198.51.100.7',
      gatewayPort: '4143',
    },
  };
}
