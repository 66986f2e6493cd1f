/** `kubectl apply` and `kubectl delete` for manifests, over the same client that the mesh uses. */
import { dynamicKind, isKubeError } from '@mesh/kube';
import type { KubeClient, ResourceKind, UnknownObject } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import { until } from './wait.ts';

/** A namespace takes its pods along, each with its grace. */
const GONE_TIMEOUT_MS = 180_000;

interface ApiResource {
  readonly name: string;
  readonly kind: string;
  readonly namespaced: boolean;
}

/** Finds a manifest's resource by discovery, once per API version; asks again for kinds that appear later (CRDs). */
export class KindIndex {
  readonly #client: KubeClient;
  readonly #versions = new Map<string, Promise<readonly ApiResource[]>>();

  constructor(client: KubeClient) {
    this.#client = client;
  }

  async resolve(manifest: Manifest): Promise<ResourceKind<UnknownObject>> {
    const { apiVersion, kind } = manifest;
    const found = await this.#find(apiVersion, kind);
    if (found !== undefined) return dynamicKind(apiVersion, found.name, kind, found.namespaced);
    throw new Error(`${this.#client.server} serves no ${apiVersion} ${kind}`);
  }

  async #find(apiVersion: string, kind: string): Promise<ApiResource | undefined> {
    const match = (list: readonly ApiResource[]): ApiResource | undefined =>
      list.find((resource) => resource.kind === kind && !resource.name.includes('/'));
    const cached = this.#versions.get(apiVersion);
    const known = cached === undefined ? undefined : match(await cached);
    if (known !== undefined) return known;
    // A definition that was just created is served a moment later.
    return until(
      `${apiVersion} ${kind} to be served`,
      async () => {
        const fresh = this.#discover(apiVersion);
        this.#versions.set(apiVersion, fresh);
        return match(await fresh);
      },
      { timeoutMs: 5000, everyMs: 20 },
    ).catch(() => undefined);
  }

  async #discover(apiVersion: string): Promise<readonly ApiResource[]> {
    const { status, text } = await this.#client.raw(
      apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`,
    );
    return status === 200
      ? ((JSON.parse(text) as { readonly resources?: readonly ApiResource[] }).resources ?? [])
      : [];
  }
}

/** Applies in order; conflicts with other managers are taken over, as a person with `--force-conflicts` would. */
export async function applyAll(client: KubeClient, kinds: KindIndex, manifests: readonly Manifest[]): Promise<void> {
  for (const manifest of manifests) {
    const kind = await kinds.resolve(manifest);
    await client.apply(kind, manifest as UnknownObject, { fieldManager: 'mesh-home', force: true });
  }
}

/** Deletes in order and waits for finalizers. Objects that are not there are fine. */
export async function removeAll(client: KubeClient, kinds: KindIndex, manifests: readonly Manifest[]): Promise<void> {
  for (const manifest of manifests) {
    const kind = await kinds.resolve(manifest);
    const ref = { namespace: manifest.metadata.namespace, name: manifest.metadata.name ?? '' };
    const gone = async (): Promise<boolean> => (await client.get(kind, ref).catch(absent)) === undefined;
    if (!(await client.delete(kind, ref))) continue;
    await until(`${manifest.kind} ${ref.namespace ?? ''}/${ref.name} to be gone`, gone, {
      timeoutMs: GONE_TIMEOUT_MS,
      everyMs: 50,
    });
  }
}

/** A whole definition may be gone, and its objects with it. */
function absent(error: unknown): undefined {
  if (isKubeError(error, 'not_found')) return undefined;
  throw error;
}
