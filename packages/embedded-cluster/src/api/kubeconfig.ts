/** Writing kubeconfig files. */
import { stringify } from 'yaml';

export interface KubeconfigEntry {
  /** Cluster, user and context have this name. */
  readonly cluster: string;
  readonly server: string;
  readonly caPem: string;
  readonly certificatePem: string;
  readonly keyPem: string;
}

/** One context per entry; the first is current. */
export function kubeconfigYaml(...entries: readonly KubeconfigEntry[]): string {
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: entries.map((entry) => ({
      name: entry.cluster,
      cluster: { server: entry.server, 'certificate-authority-data': base64(entry.caPem) },
    })),
    users: entries.map((entry) => ({
      name: `${entry.cluster}-admin`,
      user: { 'client-certificate-data': base64(entry.certificatePem), 'client-key-data': base64(entry.keyPem) },
    })),
    contexts: entries.map((entry) => ({
      name: entry.cluster,
      context: { cluster: entry.cluster, user: `${entry.cluster}-admin` },
    })),
    'current-context': entries[0]?.cluster ?? '',
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
