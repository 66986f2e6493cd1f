/** The ServiceAccount plugin: every pod runs as an account that exists and gets its token mounted, unless someone declines. */
import type { AdmissionPlugin } from '../admission.ts';
import { asArray, asObject, asString, cloneJson, type JsonObject } from '../json.ts';
import type { AdmissionAttributes } from '../machinery.ts';
import { generatedName } from '../object-meta.ts';
import { forbidden } from '../status-error.ts';
import type { Store } from '../store.ts';
import type { KubeObject } from '../types.ts';

const MOUNT_PATH = '/var/run/secrets/kubernetes.io/serviceaccount';
const VOLUME_PREFIX = 'kube-api-access-';
/** An hour, and seven seconds that mark the volumes of this plugin. */
const TOKEN_SECONDS = 3607;

export class ServiceAccountAdmission implements AdmissionPlugin {
  readonly name = 'ServiceAccount';
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  mutate({ operation, resource, subresource, object, namespace, name }: AdmissionAttributes): void {
    if (operation !== 'CREATE' || resource.bucket !== '/pods' || subresource !== undefined) return;
    const spec = asObject(object?.['spec']);
    // Mirror pods of a kubelet belong to nobody.
    if (spec === undefined || object?.metadata.annotations?.['kubernetes.io/config.mirror'] !== undefined) return;
    const accountName = asString(spec['serviceAccountName']) ?? asString(spec['serviceAccount']) ?? '';
    spec['serviceAccountName'] = accountName === '' ? 'default' : accountName;
    spec['serviceAccount'] = spec['serviceAccountName'];
    const id = `${namespace}/${String(spec['serviceAccountName'])}`;
    const account = this.#store.get('/serviceaccounts', id);
    if (account === undefined) {
      throw forbidden(
        resource,
        name,
        `error looking up service account ${id}: serviceaccount ${JSON.stringify(spec['serviceAccountName'])} not found`,
      );
    }
    if ((spec['automountServiceAccountToken'] ?? account['automountServiceAccountToken'] ?? true) === true)
      mountToken(spec);
    if (asArray(spec['imagePullSecrets']).length === 0) addPullSecrets(spec, account);
  }
}

function addPullSecrets(spec: JsonObject, account: KubeObject): void {
  const secrets = asArray(account['imagePullSecrets']);
  if (secrets.length > 0) spec['imagePullSecrets'] = cloneJson([...secrets]);
}

function mountToken(spec: JsonObject): void {
  const volumes = asArray(spec['volumes']).map((one) => asObject(one) ?? {});
  const known = volumes.map((volume) => asString(volume['name']) ?? '').find((name) => name.startsWith(VOLUME_PREFIX));
  const volumeName = known ?? generatedName(VOLUME_PREFIX);
  let used = false;
  for (const field of ['initContainers', 'containers']) {
    for (const entry of asArray(spec[field])) {
      const container = asObject(entry);
      if (container === undefined) continue;
      const mounts = asArray(container['volumeMounts']);
      if (mounts.some((mount) => asObject(mount)?.['mountPath'] === MOUNT_PATH)) continue;
      container['volumeMounts'] = [...mounts, { name: volumeName, readOnly: true, mountPath: MOUNT_PATH }];
      used = true;
    }
  }
  if (used && known === undefined) spec['volumes'] = [...volumes, tokenVolume(volumeName)];
}

function tokenVolume(name: string): JsonObject {
  return {
    name,
    projected: {
      sources: [
        { serviceAccountToken: { expirationSeconds: TOKEN_SECONDS, path: 'token' } },
        { configMap: { name: 'kube-root-ca.crt', items: [{ key: 'ca.crt', path: 'ca.crt' }] } },
        {
          downwardAPI: {
            items: [{ path: 'namespace', fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.namespace' } }],
          },
        },
      ],
      defaultMode: 420,
    },
  };
}
