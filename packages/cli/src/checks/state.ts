/** What the checks of one run share: the connection, what earlier checks have read, and the few reads that several of them need. */
import { PODS } from '@mesh/kube';
import type { KubeClient, Pod } from '@mesh/kube';
import type { Connection } from '../io.ts';
import { controlPlaneManifests } from '../manifests/control-plane.ts';
import type { Manifest } from '../manifests/object.ts';
import type { MeshConfig } from '../mesh-config.ts';
import { readMeshConfig } from '../mesh-config.ts';
import { isMeshed } from '../pod-metrics.ts';
import { defaultControlPlaneValues } from '../values/control-plane.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';

export class CheckState {
  readonly controlPlaneNamespace: string;
  readonly #open: () => Promise<Connection>;
  #connection: Connection | undefined;
  #config: MeshConfig | undefined;

  constructor(controlPlaneNamespace: string, open: () => Promise<Connection>) {
    this.controlPlaneNamespace = controlPlaneNamespace;
    this.#open = open;
  }

  async connection(): Promise<Connection> {
    this.#connection ??= await this.#open();
    return this.#connection;
  }

  async client(): Promise<KubeClient> {
    return (await this.connection()).client;
  }

  async config(): Promise<MeshConfig> {
    this.#config ??= await readMeshConfig(await this.client(), this.controlPlaneNamespace);
    return this.#config;
  }

  /** The installed values; what an older version did not have is as this version's defaults. */
  async values(): Promise<ControlPlaneValues> {
    return overlay(defaultControlPlaneValues(), (await this.config()).values) as ControlPlaneValues;
  }

  /** What `mesh install` would print with the installed values. */
  async expectedObjects(kind: string): Promise<readonly Manifest[]> {
    const all = controlPlaneManifests(await this.values(), this.controlPlaneNamespace);
    return all.filter((object) => object.kind === kind);
  }

  /** Pods with a sidecar of this control plane that are neither finished nor on their way out. */
  async meshedPods(namespace: string | undefined): Promise<readonly Pod[]> {
    const { items } = await (
      await this.client()
    ).list(PODS, { namespace, labelSelector: `linkerd.io/control-plane-ns=${this.controlPlaneNamespace}` });
    return items.filter((pod) => isMeshed(pod) && isLive(pod));
  }

  [Symbol.dispose](): void {
    this.#connection?.[Symbol.dispose]();
  }
}

/** It runs or is meant to. */
export function isLive(pod: Pod): boolean {
  const phase = pod.status?.phase;
  return phase !== 'Succeeded' && phase !== 'Failed' && pod.metadata.deletionTimestamp === undefined;
}

/** `namespace/name`. */
export function nameOf(object: { readonly metadata: { readonly namespace?: string; readonly name: string } }): string {
  const { namespace, name } = object.metadata;
  return namespace === undefined ? name : `${namespace}/${name}`;
}

/** Objects deeply, everything else replaced. */
function overlay(base: unknown, over: unknown): unknown {
  if (!isTree(base) || !isTree(over)) return over ?? base;
  const names = new Set([...Object.keys(base), ...Object.keys(over)]);
  return Object.fromEntries([...names].map((name) => [name, overlay(base[name], over[name])]));
}

function isTree(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
