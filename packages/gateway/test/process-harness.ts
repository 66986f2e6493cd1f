/** What the gateway needs as a process of its own: a control plane that certifies everybody, an API with an exported Service, files. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { kubeConfigText, SERVICES } from '@mesh/kube';
import { FakeApi, FakeApiServer } from '@mesh/kube/testing';
import type { TlsMaterial } from '@mesh/net';
import { createKeyPair, createRequest, pemOf, privateKeyPem } from '@mesh/pki';
import { identity } from '@mesh/proxy-api';
import { startPlane, TRUST_DOMAIN } from '../../proxy/test/control-plane-fixture.ts';
import type { Plane } from '../../proxy/test/control-plane-fixture.ts';

export const GATEWAY_MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
export const GATEWAY_NAME = `linkerd-gateway.linkerd-multicluster.${TRUST_DOMAIN}`;
/** The Service that is exported, as peers ask for it. */
export const EXPORTED = { name: 'catalog.shop.svc.cluster.local', port: 80 } as const;
export const GATEWAY_PORT = 4143;
export const PROBE_PORT = 4191;
export const ADMIN_PORT = 9994;

export interface GatewayPlace extends AsyncDisposable {
  readonly plane: Plane;
  readonly args: readonly string[];
  /** For a gateway that listens at this address. */
  env(ip: string, changes?: Readonly<Record<string, string>>): Record<string, string>;
  /** An identity of the same trust domain. */
  certified(account: string): Promise<TlsMaterial>;
}

export async function createGatewayPlace(): Promise<GatewayPlace> {
  const stack = new AsyncDisposableStack();
  const plane = await startPlane();
  stack.defer(() => plane.plane.stop());
  const api = new FakeApi();
  const labels = { 'mirror.linkerd.io/exported': 'true' };
  api.seed(SERVICES, { metadata: { name: 'catalog', namespace: 'shop', labels }, spec: { ports: [{ port: 80 }] } });
  const server = stack.use(new FakeApiServer(api));
  await server.start();
  const folder = mkdtempSync(path.join(tmpdir(), 'mesh-gateway-'));
  stack.defer(() => rmSync(folder, { recursive: true, force: true }));
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text);
    return path.join(folder, name);
  };
  const kubeConfig = kubeConfigText({ name: 'home', server: server.url, caPem: undefined, token: 't' });
  const files = { anchors: file('anchors.pem', plane.trustPem), token: file('token', 'token') };
  const service = `localhost:${plane.port}`;
  return {
    plane,
    args: ['gateway', '--kubeconfig', file('config', kubeConfig)],
    env: (ip, changes = {}) => ({
      MESH_GATEWAY_LISTEN_IP: ip,
      MESH_IDENTITY_ADDRESS: service,
      MESH_DESTINATION_ADDRESS: service,
      MESH_TRUST_ANCHORS_FILE: files.anchors,
      MESH_IDENTITY_TOKEN_FILE: files.token,
      MESH_LOG_LEVEL: 'warn',
      MESH_SHUTDOWN_LINGER: '100ms',
      MESH_SHUTDOWN_GRACE_PERIOD: '5s',
      ...changes,
    }),
    certified: (account) => certify(plane, `${account}.shop.${TRUST_DOMAIN}`),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

async function certify(plane: Plane, name: string): Promise<TlsMaterial> {
  const keys = createKeyPair();
  const answer = await plane.plane.certify(
    identity.CertifyRequest.fromPartial({ identity: name, certificateSigningRequest: await createRequest(keys, name) }),
  );
  const chain = [answer.leafCertificate, ...answer.intermediateCertificates].map((der) => pemOf('CERTIFICATE', der));
  return { key: privateKeyPem(keys.privateKey), chain: chain.join(''), trust: plane.trustPem };
}
