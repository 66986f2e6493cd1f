/** Reads the Secret of a Link: how to reach the peer, as whom, and for how long. Pure. */
import { kubeConfigToken, loadKubeConfig } from '@mesh/kube';
import type { ClusterAccess, Secret } from '@mesh/kube';
import { messageOf } from '@mesh/runtime';
import { readToken } from './token.ts';
import type { TokenFacts } from './token.ts';

/** Usable credentials. */
export interface LinkCredentials {
  readonly text: string;
  readonly access: ClusterAccess;
  /** Absent when the kubeconfig authenticates otherwise than by a ServiceAccount's token. */
  readonly token: (TokenFacts & { readonly text: string }) | undefined;
}

export type CredentialsProblem = {
  readonly reason: 'MissingSecret' | 'MalformedSecret';
  readonly message: string;
};

export interface SecretRef {
  readonly namespace: string;
  readonly name: string;
  /** Whose credentials they are, for messages. */
  readonly cluster: string;
}

export function readCredentials(
  { namespace, name, cluster }: SecretRef,
  secret: Secret | undefined,
): LinkCredentials | CredentialsProblem {
  const source = `Secret ${namespace}/${name}`;
  const again = 'generate the Link again with mesh multicluster link';
  if (secret === undefined) {
    const message = `${source} does not exist: apply the output of mesh multicluster link for cluster ${cluster}`;
    return { reason: 'MissingSecret', message };
  }
  const encoded = secret.data?.['kubeconfig'];
  if (encoded === undefined || encoded === '')
    return { reason: 'MalformedSecret', message: `${source} has no data.kubeconfig: ${again}` };
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  try {
    const access = loadKubeConfig({ text, source });
    const token = kubeConfigToken(text, source);
    const facts = token === undefined ? undefined : readToken(token);
    return { text, access, token: token === undefined || facts === undefined ? undefined : { ...facts, text: token } };
  } catch (error) {
    return { reason: 'MalformedSecret', message: `${messageOf(error)}; ${again}` };
  }
}
