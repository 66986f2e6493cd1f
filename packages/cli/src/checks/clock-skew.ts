/**
 * Do the clocks agree? Every kubelet writes its own time into its node's Lease (KEP-589), so Leases that are renewed at the same moment
 * must say the same.
 */
import { LEASES, NODES } from '@mesh/kube';
import { SkipCheck } from './check.ts';
import type { Check } from './check.ts';
import type { CheckState } from './state.ts';

/** Kubelets renew every 10 s; certificates are valid from 20 s ago (issuer's clock skew allowance). */
const RENEW_MS = 10_000;
const ALLOWED_MS = 20_000;
/** A node that has not renewed for this long is away, which is not a matter of clocks (node-monitor-grace-period). */
const AWAY_MS = 40_000;

export function clockSkewCheck(state: CheckState, hint: string): Check {
  return {
    description: 'no clock skew detected',
    hint,
    warning: true,
    run: async () => {
      const client = await state.client();
      const [nodes, leases] = await Promise.all([
        client.list(NODES),
        client.list(LEASES, { namespace: 'kube-node-lease' }),
      ]);
      const ready = new Set(nodes.items.filter(isReady).map((node) => node.metadata.name));
      const skewed = leases.items.flatMap((lease) => {
        const renewed = Date.parse(lease.spec?.renewTime ?? '');
        if (Number.isNaN(renewed) || !ready.has(lease.metadata.name)) return [];
        return [{ name: lease.metadata.name, aheadMs: renewed - Date.now() }];
      });
      if (skewed.length === 0) throw new SkipCheck();
      // A Ready node's Lease is at most a renewal old; what is much older was written by a clock that is behind.
      const bad = skewed.filter(({ aheadMs }) => aheadMs > ALLOWED_MS || aheadMs < -(AWAY_MS + RENEW_MS + ALLOWED_MS));
      if (bad.length > 0)
        throw new Error(
          bad
            .map(
              ({ name, aheadMs }) =>
                `the clock of node ${name} is about ${Math.round(Math.abs(aheadMs) / 1000)} s ${aheadMs > 0 ? 'ahead of' : 'behind'} this machine's`,
            )
            .join('\n'),
        );
    },
  };
}

function isReady(node: { readonly status?: unknown }): boolean {
  const { conditions } = (node.status ?? {}) as {
    readonly conditions?: readonly { readonly type: string; readonly status: string }[];
  };
  return conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
}
