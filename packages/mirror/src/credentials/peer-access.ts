/**
 * Access to a peer whose token may change while connections and watches live on: what is asked next carries the new one. Everything else of
 * a kubeconfig (server, authority, client certificate) needs a new client.
 */
import type { ClusterAccess, Credentials, RequestAuth } from '@mesh/kube';

export class PeerAccess {
  /** For one client, for as long as {@link follow} returns true. */
  readonly access: ClusterAccess;
  #credentials: Credentials;
  #original: ClusterAccess;

  constructor(access: ClusterAccess) {
    this.#original = access;
    this.#credentials = access.credentials;
    this.access = { ...access, credentials: { authorize: (): Promise<RequestAuth> => this.#credentials.authorize() } };
  }

  /** Goes over to new credentials for the same server. False: it is another server, or another authority vouches for it. */
  follow(next: ClusterAccess): boolean {
    if (placeOf(next) !== placeOf(this.#original)) return false;
    this.#original = next;
    this.#credentials = next.credentials;
    return true;
  }
}

function placeOf({ server, caPem, tlsServerName, insecureSkipTlsVerify }: ClusterAccess): string {
  return JSON.stringify([server, caPem, tlsServerName, insecureSkipTlsVerify]);
}
