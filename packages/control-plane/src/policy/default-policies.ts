/** Networks of the default policies. Light: configuration reads it before anything else is loaded. */
import { parseCidr } from '@mesh/model';
import type { Cidr } from '@mesh/model';

/** "Everyone" takes two networks. */
export const ALL_NETWORKS: readonly Cidr[] = ['0.0.0.0/0', '::/0'].flatMap((text) => parseCidr(text) ?? []);
