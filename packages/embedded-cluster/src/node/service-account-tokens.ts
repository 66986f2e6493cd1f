/** Bound service-account tokens for one pod: requested from the API, kept until 80 % of their life. */
import type { ClusterClient } from '../api/types.ts';
import { type Pod, RESOURCES } from '../controllers/kinds.ts';
import type { TokenSource } from './volumes.ts';

const RENEW_AT = 0.8;

interface Held {
  readonly token: string;
  readonly renewMs: number;
}

export class PodTokens implements TokenSource {
  readonly #client: ClusterClient;
  readonly #pod: Pod;
  readonly #held = new Map<string, Held>();

  constructor(client: ClusterClient, pod: Pod) {
    this.#client = client;
    this.#pod = pod;
  }

  /** When the next token is due, in ms since the epoch; undefined while none is held. */
  get nextRenewalMs(): number | undefined {
    const times = [...this.#held.values()].map((held) => held.renewMs);
    return times.length === 0 ? undefined : Math.min(...times);
  }

  async token(audience: string | undefined, expirationSeconds: number): Promise<string> {
    const key = `${audience ?? ''}\n${expirationSeconds}`;
    const held = this.#held.get(key);
    const now = Date.now();
    if (held !== undefined && now < held.renewMs) return held.token;
    const { metadata, spec } = this.#pod;
    const answer = await this.#client.create(
      RESOURCES.serviceAccounts,
      {
        apiVersion: 'authentication.k8s.io/v1',
        kind: 'TokenRequest',
        metadata: {
          name: spec.serviceAccountName ?? 'default',
          ...(metadata.namespace ? { namespace: metadata.namespace } : {}),
        },
        spec: {
          audiences: audience === undefined || audience === '' ? [] : [audience],
          expirationSeconds,
          boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: metadata.name, uid: metadata.uid },
        },
      },
      { subresource: 'token' },
    );
    const status = answer['status'] as { token: string; expirationTimestamp: string };
    const life = Date.parse(status.expirationTimestamp) - now;
    this.#held.set(key, { token: status.token, renewMs: now + life * RENEW_AT });
    return status.token;
  }
}
