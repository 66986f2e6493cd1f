/**
 * `mesh multicluster allow`: who may link to this cluster. `--peer` prints a Peer with an account that reads what is exported to it and
 * nothing else; `--service-account-name` one more account like the one that the extension comes with.
 */
import type { Command } from 'commander';
import { Option } from 'commander';
import { CUSTOM_RESOURCE_DEFINITIONS, isKubeError } from '@mesh/kube';
import type { KubeClient } from '@mesh/kube';
import { CliError } from '../../errors.ts';
import type { CliIo, GlobalFlags } from '../../io.ts';
import { readMeshConfig } from '../../mesh-config.ts';
import type { Manifest } from '../../manifests/object.ts';
import { peerManifests, remoteAccessManifests } from '../../manifests/remote-access.ts';
import type { RemoteAccess } from '../../manifests/remote-access.ts';
import { CLI_VERSION } from '../../values/installed.ts';
import { connectWith, manifestOutput, writeManifests } from '../shared.ts';
import type { ManifestFlags } from '../shared.ts';
import { checkedPeer } from './peer-name.ts';

interface Flags extends ManifestFlags, GlobalFlags {
  readonly peer?: string;
  readonly trustDomain?: string;
  readonly staticCredentials?: boolean;
  readonly serviceAccountName?: string;
  readonly access: RemoteAccess;
  readonly namespace: string;
  readonly ignoreCluster?: boolean;
}

export function addAllow(parent: Command, io: CliIo): void {
  const command = parent
    .command('allow')
    .description('print what lets another cluster link to this one: a peer with rights of its own, or an account')
    .option('--peer <name>', 'name of the cluster that may link here; it sees what is exported to it')
    .option('--trust-domain <domain>', 'trust domain that the identities of the peer must have (default: any)')
    .option('--static-credentials', 'with --peer: a token that does not expire too, for link --static-credentials')
    .option('--service-account-name <name>', 'instead of --peer: name of an account with a token that does not expire')
    .addOption(
      new Option(
        '--access <what>',
        'with --service-account-name: what it may read; cluster is all Services and endpoints, as mirrors of Linkerd need',
      )
        .choices(['exports', 'cluster'])
        .default('cluster'),
    )
    .option('--namespace <namespace>', 'namespace of the extension', 'linkerd-multicluster')
    .option('--ignore-cluster', "don't look at the cluster");
  manifestOutput(command).action(async (_options: unknown, self: Command) => {
    const flags = self.optsWithGlobals<Flags>();
    const manifests = manifestsOf(flags);
    if (flags.ignoreCluster !== true) {
      using connection = await connectWith(self, io);
      await readMeshConfig(connection.client, flags.linkerdNamespace);
      if (flags.peer !== undefined) await assertPeers(connection.client);
    }
    writeManifests(io, manifests, flags);
  });
}

function manifestsOf(flags: Flags): readonly Manifest[] {
  const { peer, serviceAccountName: account } = flags;
  if ((peer === undefined) === (account === undefined)) {
    throw new CliError(
      { code: 'usage', flag: '--peer' },
      'give either --peer NAME, the name of the cluster that may link here, or --service-account-name NAME',
    );
  }
  const options = {
    namespace: flags.namespace,
    controlPlaneNamespace: flags.linkerdNamespace,
    cliVersion: CLI_VERSION,
  };
  if (peer !== undefined) {
    return peerManifests({
      ...options,
      peer: checkedPeer(peer, '--peer'),
      trustDomain: flags.trustDomain,
      isStatic: flags.staticCredentials === true,
    });
  }
  return remoteAccessManifests(checkedAccount(account ?? ''), flags.access, options);
}

function checkedAccount(name: string): string {
  if (/^[a-z0-9]([-a-z0-9]{0,57}[a-z0-9])?$/.test(name)) return name;
  throw new CliError(
    { code: 'usage', flag: '--service-account-name' },
    `--service-account-name ${name}: not a valid name; use lower-case letters, digits and dashes, at most 59`,
  );
}

/** @throws CliError when the extension is not there, or too old to know peers. */
async function assertPeers(client: KubeClient): Promise<void> {
  const name = 'peers.federation.mesh.dev';
  try {
    if ((await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name })) !== undefined) return;
  } catch (error) {
    // Who may not look is believed to know.
    if (isKubeError(error, 'forbidden')) return;
    throw error;
  }
  throw new CliError(
    { code: 'missing_object', kind: 'CustomResourceDefinition', name },
    `this cluster knows no peers: CustomResourceDefinition ${name} is missing; apply the output of mesh multicluster install first`,
  );
}
