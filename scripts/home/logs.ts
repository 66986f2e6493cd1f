/** Follows a container's log through the Kubernetes API, line by line. */
import https from 'node:https';
import { createInterface } from 'node:readline';
import type { ClusterAccess } from '@mesh/kube';
import type { PodRef } from './home.ts';

/** Resolves when the log ends or the signal is aborted; rejects when the API refuses or the connection breaks. */
export async function followLogs(
  access: ClusterAccess,
  pod: PodRef,
  container: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
  sinceSeconds?: number,
): Promise<void> {
  const auth = await access.credentials.authorize();
  const query = new URLSearchParams({ follow: 'true', container });
  if (sinceSeconds !== undefined) query.set('sinceSeconds', String(sinceSeconds));
  const url = `${access.server}/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log?${query.toString()}`;
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const request = https.get(
    url,
    {
      headers: auth.headers as Record<string, string>,
      signal,
      agent: false,
      ...(auth.certPem === undefined ? {} : { cert: auth.certPem }),
      ...(auth.keyPem === undefined ? {} : { key: auth.keyPem }),
      ...(access.caPem === undefined ? {} : { ca: access.caPem }),
      ...(access.tlsServerName === undefined ? {} : { servername: access.tlsServerName }),
    },
    (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        reject(
          new Error(`log of ${pod.namespace}/${pod.name} (${container}): the API answered ${response.statusCode}`),
        );
        return;
      }
      const lines = createInterface({ input: response });
      const failed = (error: Error): void => (signal.aborted ? resolve() : reject(error));
      lines.on('line', onLine);
      lines.on('close', resolve);
      // readline passes on the errors of its input and would throw them if nobody listened.
      lines.on('error', failed);
      response.on('error', failed);
    },
  );
  request.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
  return promise;
}
