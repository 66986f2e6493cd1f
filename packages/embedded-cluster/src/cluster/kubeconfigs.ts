/** Several clusters in one kubeconfig. */
import { parse, stringify } from 'yaml';

interface Kubeconfig {
  readonly clusters: readonly unknown[];
  readonly contexts: readonly unknown[];
  readonly users: readonly unknown[];
  readonly 'current-context': string;
}

/** The first one's context is the current one. Names must differ. */
export function mergeKubeconfigs(configs: readonly string[]): string {
  const parsed = configs.map((text) => parse(text) as Kubeconfig);
  return stringify({
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    clusters: parsed.flatMap((config) => config.clusters),
    contexts: parsed.flatMap((config) => config.contexts),
    users: parsed.flatMap((config) => config.users),
    'current-context': parsed[0]?.['current-context'] ?? '',
  });
}
