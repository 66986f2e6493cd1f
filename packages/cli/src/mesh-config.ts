/** What an installed control plane says about itself: ConfigMaps `linkerd-config` and `linkerd-identity-trust-roots`. */
import { CONFIG_MAPS } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { parse } from 'yaml';
import { CliError } from './errors.ts';

export interface MeshConfig {
  readonly namespace: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  readonly version: string;
  /** PEM bundle that the cluster's proxies trust now. */
  readonly trustAnchorsPem: string;
  readonly controllerImage: string;
  readonly controllerImageVersion: string;
  /** All values, for whoever needs more. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** @throws CliError `missing_object` when there is no control plane, `cluster` when its configuration cannot be read. */
export async function readMeshConfig(client: KubeClient, ns: string): Promise<MeshConfig> {
  const [config, roots] = await Promise.all([
    client.get(CONFIG_MAPS, { namespace: ns, name: 'linkerd-config' }),
    client.get(CONFIG_MAPS, { namespace: ns, name: 'linkerd-identity-trust-roots' }),
  ]);
  if (config === undefined) {
    throw new CliError(
      { code: 'missing_object', kind: 'ConfigMap', name: `${ns}/linkerd-config` },
      `no control plane in namespace ${ns} of ${client.server}: ConfigMap linkerd-config is missing; install one with mesh install, or name its namespace with -L`,
    );
  }
  const values = parseValues(config.data?.['values'], ns);
  const text = (name: string, otherwise: string): string => {
    const value = values[name];
    return typeof value === 'string' && value !== '' ? value : otherwise;
  };
  const clusterDomain = text('clusterDomain', 'cluster.local');
  return {
    namespace: ns,
    clusterDomain,
    trustDomain: text('identityTrustDomain', clusterDomain),
    version: text('linkerdVersion', 'unknown'),
    trustAnchorsPem: roots?.data?.['ca-bundle.crt'] ?? text('identityTrustAnchorsPEM', ''),
    controllerImage: text('controllerImage', 'mesh'),
    controllerImageVersion: text('controllerImageVersion', ''),
    values,
  };
}

function parseValues(text: string | undefined, ns: string): Readonly<Record<string, unknown>> {
  try {
    const values: unknown = parse(text ?? '');
    if (typeof values === 'object' && values !== null) return values as Record<string, unknown>;
  } catch {
    // Falls through to the error that names the object.
  }
  throw new CliError(
    { code: 'cluster' },
    `ConfigMap ${ns}/linkerd-config holds no usable values (key "values" must be a YAML map); repair it with the output of mesh install`,
  );
}
