/** What this process and its kernel can do, read from /proc (capabilities(7), proc_pid_status(5)): it tells causes of failures apart. */
import { existsSync, readFileSync } from 'node:fs';

export interface Facts {
  readonly uid: number;
  /** May this process, or a program that it starts, change the network? `granted`: yes; `withheld`: only a program whose file says so. */
  readonly netAdmin: 'granted' | 'withheld' | 'missing';
  readonly netRaw: 'granted' | 'withheld' | 'missing';
  /** The kernel has IPv6, in this network namespace. */
  readonly ipv6: boolean;
}

const NET_ADMIN = 12n;
const NET_RAW = 13n;

export function readFacts(): Facts {
  return {
    ...readCapabilities(readFileSync('/proc/self/status', 'utf8')),
    uid: process.getuid?.() ?? 0,
    ipv6: existsSync('/proc/net/if_inet6'),
  };
}

/** @param status The text of `/proc/PID/status`. */
export function readCapabilities(status: string): Pick<Facts, 'netAdmin' | 'netRaw'> {
  const mask = (field: string): bigint => {
    const hex = new RegExp(`^${field}:\\s*([0-9a-f]+)$`, 'm').exec(status)?.[1];
    return hex === undefined ? 0n : BigInt(`0x${hex}`);
  };
  const effective = mask('CapEff');
  const bounding = mask('CapBnd');
  const has = (set: bigint, bit: bigint): boolean => ((set >> bit) & 1n) === 1n;
  const state = (bit: bigint): Facts['netAdmin'] =>
    has(effective, bit) ? 'granted' : has(bounding, bit) ? 'withheld' : 'missing';
  return { netAdmin: state(NET_ADMIN), netRaw: state(NET_RAW) };
}
