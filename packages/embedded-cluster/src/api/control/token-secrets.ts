/**
 * The token controller: Secrets of type `kubernetes.io/service-account-token` get a token that lives as long as they do, and go with
 * their account.
 */
import { messageOf, type Logger } from '@mesh/runtime';
import type { ServiceAccountTokens } from '../auth/service-account-tokens.ts';
import { asObject, asString } from '../json.ts';
import { hasReason } from '../status-error.ts';
import type { Store } from '../store.ts';
import type { ClusterClient, KubeObject, ResourceRef } from '../types.ts';

const TYPE = 'kubernetes.io/service-account-token';
const NAME = 'kubernetes.io/service-account.name';
const UID = 'kubernetes.io/service-account.uid';
const SECRETS: ResourceRef = { group: '', version: 'v1', plural: 'secrets' };

export interface TokenSecretsParts {
  readonly store: Store;
  readonly client: ClusterClient;
  readonly tokens: ServiceAccountTokens;
  readonly caPem: string;
  readonly log: Logger;
}

/** Runs until the returned function is called. */
export function startTokenSecrets(parts: TokenSecretsParts): () => void {
  const { store } = parts;
  const busy = new Set<string>();
  let scheduled = false;
  let stopped = false;
  const schedule = (): void => {
    if (scheduled || stopped) return;
    scheduled = true;
    setImmediate(() => {
      scheduled = false;
      if (stopped) return;
      for (const [id, secret] of store.iterate('/secrets')) {
        if (secret['type'] !== TYPE || busy.has(id)) continue;
        const work = reconcile(parts, secret);
        if (work === undefined) continue;
        busy.add(id);
        void settle(parts, secret, work).finally(() => {
          busy.delete(id);
          schedule();
        });
      }
    });
  };
  const ends = [store.subscribe('/secrets', schedule), store.subscribe('/serviceaccounts', schedule)];
  schedule();
  return () => {
    stopped = true;
    for (const end of ends) end();
  };
}

/** What is to be done about one Secret; nothing when it is as it should be or its account is yet to come. */
function reconcile(
  { store, client, tokens, caPem }: TokenSecretsParts,
  secret: KubeObject,
): Promise<unknown> | undefined {
  const { name = '', namespace = '', uid = '', annotations = {} } = secret.metadata;
  const accountName = annotations[NAME] ?? '';
  const account = store.get('/serviceaccounts', `${namespace}/${accountName}`);
  const knownUid = annotations[UID];
  if (account === undefined) {
    // Only a Secret that had its account loses it; one that was written first waits.
    return knownUid === undefined ? undefined : client.delete(SECRETS, namespace, name, { preconditions: { uid } });
  }
  if (knownUid !== undefined && knownUid !== account.metadata.uid) {
    return client.delete(SECRETS, namespace, name, { preconditions: { uid } });
  }
  const data = asObject(secret['data']) ?? {};
  if (knownUid !== undefined && ['token', 'namespace', 'ca.crt'].every((key) => asString(data[key]) !== undefined))
    return undefined;
  const { token } = tokens.issue({
    namespace,
    account,
    audiences: [tokens.issuer],
    expirationSeconds: undefined,
    bound: { kind: 'Secret', name, uid },
  });
  const encoded = (text: string): string => Buffer.from(text).toString('base64');
  const body = {
    metadata: { annotations: { [UID]: account.metadata.uid }, resourceVersion: secret.metadata.resourceVersion },
    data: { 'ca.crt': encoded(caPem), namespace: encoded(namespace), token: encoded(token) },
  };
  return client.patch(SECRETS, namespace, name, { type: 'merge', body });
}

async function settle({ log }: TokenSecretsParts, secret: KubeObject, work: Promise<unknown>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (hasReason(error, 'Conflict') || hasReason(error, 'NotFound')) return;
    log.warn('token Secret not filled', {
      secret: `${secret.metadata.namespace}/${secret.metadata.name}`,
      error: messageOf(error),
    });
    // A refused write would be refused again at once.
    await new Promise((resolve) => setTimeout(resolve, 1000).unref());
  }
}
