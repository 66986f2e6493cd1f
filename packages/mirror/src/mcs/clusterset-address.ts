/**
 * Addresses of imports that are the same in all clusters: each cluster computes them from the name alone, in a network that all of them
 * have for this. An address that is taken leads to the next, so a collision costs only the sameness of one import. Pure.
 */
import { createHash } from 'node:crypto';
import { keyOf } from '@mesh/kube';
import { formatIp } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import type { ImportRef } from './desired-import.ts';

/** In a network that is half full, one import in sixteen finds none of four free, and takes any address of the cluster. */
const CANDIDATES = 4;

/** Addresses to ask for, the best first; none without a network. */
export function clustersetAddresses(ref: ImportRef, network: Cidr | undefined): readonly string[] {
  if (network === undefined) return [];
  const hostBits = network.bytes.length * 8 - network.prefixLength;
  return Array.from({ length: CANDIDATES }, (_, attempt) => {
    const digest = createHash('sha256')
      .update(`${keyOf(ref)}#${attempt}`)
      .digest();
    const bytes = Uint8Array.from(network.bytes, (byte, at) => byte | ((digest[at] ?? 0) & ~maskOf(network, at)));
    const last = bytes.length - 1;
    // The first and the last address of a network are not for hosts.
    if (hostBits >= 8 && bytes[last] === 0) bytes[last] = 1;
    if (hostBits >= 8 && bytes[last] === 255) bytes[last] = 254;
    return formatIp(bytes);
  });
}

/** Bits of the byte at that place that belong to the network. */
function maskOf({ prefixLength }: Cidr, at: number): number {
  const bits = Math.max(0, Math.min(8, prefixLength - at * 8));
  return (0xff << (8 - bits)) & 0xff;
}
