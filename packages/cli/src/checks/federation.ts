/** Checks of what Links and Peers say of the other clusters: credentials that are not renewed, views that are old, versions too far apart, peers in conflict. */
import { isKubeError, PEERS } from '@mesh/kube';
import type { Condition, Link, Peer } from '@mesh/kube';
import { SkipCheck } from './check.ts';
import type { Check } from './check.ts';
import type { CheckState } from './state.ts';

/** @param links Those of the cluster; skips when there are none. */
export function federationChecks(state: CheckState, links: () => Promise<readonly Link[]>): readonly Check[] {
  return [
    {
      description: 'link credentials are renewed before they end',
      hint: 'l5d-multicluster-credentials-renewed',
      warning: true,
      run: async () => failOn(await links(), (condition) => condition.reason === 'RenewalFailing'),
    },
    {
      description: 'linked clusters keep what they show current',
      hint: 'l5d-multicluster-views-current',
      retry: true,
      run: async () => failOn(await links(), isFalse('ViewCurrent')),
    },
    {
      description: 'linked clusters run supported versions',
      hint: 'l5d-multicluster-versions-supported',
      warning: true,
      run: async () => failOn(await links(), isFalse('VersionSupported')),
    },
    {
      description: 'peers are who they claim to be',
      hint: 'l5d-multicluster-peers-valid',
      warning: true,
      run: async () => {
        const peers = await peersOf(state);
        if (peers.length === 0) throw new SkipCheck();
        const bad = peers.flatMap(({ metadata, status }) =>
          (status?.conditions ?? [])
            .filter(isFalse('Valid'))
            .map(({ message }) => `Peer ${metadata.name}: ${message ?? ''}`),
        );
        if (bad.length > 0) throw new Error(bad.join('\n'));
      },
    },
  ];
}

const isFalse =
  (type: string) =>
  (condition: Condition): boolean =>
    condition.type === type && condition.status === 'False';

function failOn(links: readonly Link[], isBad: (condition: Condition) => boolean): void {
  const bad = links.flatMap(({ metadata, status }) =>
    (status?.conditions ?? []).filter(isBad).map(({ message }) => `Link ${metadata.name}: ${message ?? ''}`),
  );
  if (bad.length > 0) throw new Error(bad.join('\n'));
}

async function peersOf(state: CheckState): Promise<readonly Peer[]> {
  try {
    return (await (await state.client()).list(PEERS)).items;
  } catch (error) {
    if (isKubeError(error, 'not_found')) return [];
    throw error;
  }
}
