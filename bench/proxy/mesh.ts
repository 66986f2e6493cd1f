/** Our own rows: the real sidecar, with discovery, policy, metrics and balancing on, on Bun and on Node. */
import type { BenchCertificates } from '../lib/certificates.ts';
import type { RowSpec } from './row.ts';

export function meshRows(_certificates: BenchCertificates): RowSpec[] {
  return [];
}
