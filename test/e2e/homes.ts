/**
 * Where the scenarios run: `MESH_E2E_HOME=embedded` (default; clusters of their own for each file) or `kind` (clusters `east` and `west` that
 * `npm run kind -- up` made, shared by all files one after another and cleaned before and after each).
 */
import { messageOf } from '@mesh/runtime';
import { openEmbeddedHome } from '../../scripts/home/embedded-home.ts';
import type { Home } from '../../scripts/home/home.ts';
import { installMesh, persistentTrust } from '../../scripts/home/install-mesh.ts';
import { openKindHome } from '../../scripts/home/kind-home.ts';
import type { KindHome, KindMember, SidecarRuntime } from '../../scripts/home/kind-home.ts';
import { FOLDER } from '../../scripts/kind-multicluster/memory.ts';
import { remakeCluster } from '../../scripts/kind-multicluster/remake.ts';
import { addressesOnceInstalled } from '../../scripts/kind-multicluster/steps.ts';
import { establishMesh, removeTraces } from './clean-slate.ts';
import type { TrustMaker } from './clean-slate.ts';

export const CLUSTERS = ['east', 'west'] as const;

export const HOME_KIND: Home['kind'] = homeKind(process.env['MESH_E2E_HOME']);
/** What the sidecars of a kind home run on, `MESH_E2E_RUNTIME`. */
const RUNTIME: SidecarRuntime = runtimeOf(process.env['MESH_E2E_RUNTIME']);

/** Opens the home with the mesh installed in every cluster, nothing linked and nothing deployed; disposing it leaves nothing behind. */
export async function openHome(trust?: TrustMaker): Promise<Home> {
  return HOME_KIND === 'kind' ? openCleanKind(trust) : openFresh(trust ?? persistentTrust);
}

async function openFresh(trust: TrustMaker): Promise<Home> {
  const home = await openEmbeddedHome({ clusters: CLUSTERS });
  try {
    const flags = await trust(home);
    await Promise.all(home.clusters.map((cluster) => installMesh(cluster, flags.get(cluster.name) ?? [])));
    return home;
  } catch (error) {
    await home[Symbol.asyncDispose]();
    throw error;
  }
}

/** @param trust Absent: the clusters' common trust, which stays; instead of a given one they have the folder's at the end. */
export async function openCleanKind(trust?: TrustMaker): Promise<KindHome> {
  const remake = (name: string, whileGone: () => Promise<void>): Promise<void> =>
    remakeCluster(name, { others: CLUSTERS.filter((other) => other !== name), runtime: RUNTIME, whileGone });
  const home = await openKindHome({ clusters: CLUSTERS, folder: FOLDER, runtime: RUNTIME, exclusive: true, remake });
  try {
    await establishMesh(home, trust);
    return {
      ...home,
      async recreate(name, whileGone): Promise<KindMember> {
        const made = await home.recreate(name, whileGone);
        // Beside the installation to come, which waits for the gateway's address.
        addressesOnceInstalled(made).catch((error: unknown) => {
          process.stderr.write(`${name}: no address for its gateway: ${messageOf(error)}\n`);
        });
        return made;
      },
      async [Symbol.asyncDispose](): Promise<void> {
        try {
          await (trust === undefined ? removeTraces(home) : establishMesh(home, persistentTrust));
        } finally {
          await home[Symbol.asyncDispose]();
        }
      },
    };
  } catch (error) {
    await home[Symbol.asyncDispose]();
    throw error;
  }
}

function homeKind(value: string | undefined): Home['kind'] {
  if (value === undefined || value === '') return 'embedded';
  if (value === 'embedded' || value === 'kind') return value;
  throw new Error(`MESH_E2E_HOME is ${JSON.stringify(value)}: give embedded or kind`);
}

function runtimeOf(value: string | undefined): SidecarRuntime {
  if (value === undefined || value === '') return 'bun';
  if (value === 'bun' || value === 'node') return value;
  throw new Error(`MESH_E2E_RUNTIME is ${JSON.stringify(value)}: give bun or node`);
}
