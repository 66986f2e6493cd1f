/** Resources that a cluster may not know at all, such as those of an API that nobody installed. */
import type { Informer, KubeObject } from '@mesh/kube';

/** Resolves with the first list, or once the API says that there is no such resource: which is to say that there are none, until it comes. */
export async function startOptional<T extends KubeObject>(informer: Informer<T>, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const look = (): void => {
    if (informer.synced || informer.lastError?.code === 'not_found') resolve();
  };
  const onAbort = (): void => reject(signal.reason as Error);
  signal.addEventListener('abort', onAbort, { once: true });
  const unsubscribe = informer.onStatus(look);
  informer.run();
  look();
  try {
    await promise;
  } finally {
    unsubscribe();
    signal.removeEventListener('abort', onAbort);
  }
}
