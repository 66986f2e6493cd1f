/** The policies that hold where no resource says otherwise, by Linkerd's names. Light: configuration reads it before anything else is loaded. */
import { parseCidr } from '@mesh/model';
import type { Cidr } from '@mesh/model';

export const DEFAULT_POLICIES = [
  'all-unauthenticated',
  'all-authenticated',
  'cluster-unauthenticated',
  'cluster-authenticated',
  'deny',
  'audit',
] as const;
export type DefaultPolicy = (typeof DEFAULT_POLICIES)[number];

/** "Everyone" takes two networks. */
export const ALL_NETWORKS: readonly Cidr[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parseCidr(text) ?? []);
