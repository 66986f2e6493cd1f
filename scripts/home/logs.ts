/** Follows a container's log through the Kubernetes API, line by line. */
import https from 'node:https';
import { createInterface } from 'node:readline';
import type { ClusterAccess } from '@mesh/kube';
import type { PodRef } from './home.ts';

/** Resolves when the log ends or the signal is aborted; rejects when the API refuses. */
export async function followLogs(
  access: ClusterAccess,
  pod: PodRef,
  container: string,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<void> {
  const auth = await access.credentials.authorize();
  const url = `${access.server}/api/v1/namespaces/${pod.namespace}/pods/${pod.name}/log?follow=true&container=${container}`;
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
      lines.on('line', onLine);
      lines.on('close', resolve);
      response.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
    },
  );
  request.on('error', (error) => (signal.aborted ? resolve() : reject(error)));
  return promise;
}
