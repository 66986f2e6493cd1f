/** The certificates of a control plane that is there, read back from its cluster. */
import { CONFIG_MAPS, SECRETS } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import type { IdentityFiles, Pem } from './credentials.ts';
import { CliError } from './errors.ts';

const ISSUER = 'linkerd-identity-issuer';
const ROOTS = 'linkerd-identity-trust-roots';

/** Trust anchors as the cluster's proxies have them; empty when there are none. */
export async function readAnchors(client: KubeClient, ns: string): Promise<Pem> {
  const roots = await client.get(CONFIG_MAPS, { namespace: ns, name: ROOTS });
  return { text: roots?.data?.['ca-bundle.crt'] ?? '', from: `ca-bundle.crt of ConfigMap ${ns}/${ROOTS}` };
}

/** Issuer and key, of either scheme. @throws CliError `missing_object` */
export async function readIssuer(
  client: KubeClient,
  ns: string,
): Promise<Omit<IdentityFiles, 'anchors'> & { readonly ca: Pem }> {
  const secret = await client.get(SECRETS, { namespace: ns, name: ISSUER });
  if (secret === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'Secret', name: `${ns}/${ISSUER}` },
      `Secret ${ns}/${ISSUER} is missing; let cert-manager make it (type kubernetes.io/tls, with ca.crt), or restore it from a backup`,
    );
  }
  const part = (...keys: readonly string[]): Pem => {
    const key = keys.find((each) => secret.data?.[each] !== undefined) ?? keys[0] ?? '';
    const data = secret.data?.[key] ?? '';
    return { text: Buffer.from(data, 'base64').toString('utf8'), from: `${key} of Secret ${ns}/${ISSUER}` };
  };
  return { certificate: part('tls.crt', 'crt.pem'), key: part('tls.key', 'key.pem'), ca: part('ca.crt') };
}
