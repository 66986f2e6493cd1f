/**
 * Why iptables did not do it, and what a person can do about that. Its exit codes say little, so its messages are read here, beside
 * what is known about the process. Pure.
 */
import { MeshError } from '@mesh/runtime';
import { EXEC_TIMEOUT_MS } from './exec.ts';
import type { Outcome } from './exec.ts';
import type { Facts } from './facts.ts';
import { LOCK_WAIT_SECS } from './restore.ts';
import type { Family } from './rules.ts';

export const FAILURE_CODES = [
  'program_missing',
  'not_permitted',
  'kernel_support_missing',
  'extension_missing',
  'lock_unavailable',
  'timed_out',
  'failed',
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

export interface ProxyInitErrorInfo {
  readonly code: FailureCode;
  readonly program: string;
}
/** Redirection could not be set up; the message names the fix. */
export class ProxyInitError extends MeshError<ProxyInitErrorInfo> {
  override readonly name = 'ProxyInitError';
}

/** By sysexits(3): unavailable, no permission, temporary failure. */
export const EXIT_BY_FAILURE: Readonly<Record<FailureCode, number>> = {
  program_missing: 69,
  not_permitted: 77,
  kernel_support_missing: 69,
  extension_missing: 69,
  lock_unavailable: 75,
  timed_out: 75,
  failed: 1,
};

const MODES_HINT = 'choose a back end that is there (value proxyInit.iptablesMode: nft, legacy or plain)';

/** @param outcome What came of running the program; anything but exit code 0. */
export function diagnose(program: string, family: Family, outcome: Outcome, facts: Facts): ProxyInitError {
  const code = codeOf(outcome, facts);
  const said = outcome.kind === 'not_started' ? '' : firstLine(outcome.stderr);
  const detail = said === '' ? '' : ` (it says: ${said})`;
  return new ProxyInitError({ code, program }, `${program}: ${causeAndFix(code, family, outcome, facts)}${detail}`);
}

function codeOf(outcome: Outcome, facts: Facts): FailureCode {
  if (outcome.kind === 'not_started') return outcome.errno === 'EACCES' ? 'not_permitted' : 'program_missing';
  if (outcome.kind === 'timed_out') return 'timed_out';
  const { stderr } = outcome;
  if (/xtables[ .]lock/i.test(stderr)) return 'lock_unavailable';
  if (/permission denied|not permitted|must be root/i.test(stderr)) return 'not_permitted';
  if (/couldn't load (match|target)/i.test(stderr)) return 'extension_missing';
  // The legacy program tells a missing right and a missing module alike, depending on where it stops.
  if (/initialize/i.test(stderr) && (facts.netAdmin === 'missing' || facts.netRaw === 'missing'))
    return 'not_permitted';
  const kernel = /does not exist|insmod|kernel module|not supported|no such file|invalid argument|initialize|no chain/i;
  return kernel.test(stderr) ? 'kernel_support_missing' : 'failed';
}

function causeAndFix(code: FailureCode, family: Family, outcome: Outcome, facts: Facts): string {
  switch (code) {
    case 'program_missing':
      return `not found or not executable here: use the mesh-proxy image, or ${MODES_HINT}`;
    case 'not_permitted':
      return permissionFix(facts);
    case 'kernel_support_missing': {
      const without = family === 'ipv6' ? ', or go without IPv6 (value disableIPv6=true)' : '';
      return `the node's kernel lacks what ${family === 'ipv6' ? 'IPv6' : 'IPv4'} redirection needs: load the modules of NAT, REDIRECT, multiport, owner and comment on the nodes, or ${MODES_HINT}${without}`;
    }
    case 'extension_missing':
      return 'a plug-in of iptables is missing in the image: use the mesh-proxy image';
    case 'lock_unavailable':
      return `the lock /run/xtables.lock could not be had within ${LOCK_WAIT_SECS} s: mount a writable volume at /run, or wait for the other program that changes tables`;
    case 'timed_out':
      return `gave no answer within ${EXEC_TIMEOUT_MS / 1000} s: look for programs on the node that hold the tables`;
    case 'failed':
      return `failed${outcome.kind === 'exited' ? ` with exit code ${outcome.code}` : ''}`;
  }
}

function permissionFix({ netAdmin, netRaw, uid }: Facts): string {
  if (netAdmin === 'missing' || netRaw === 'missing') {
    const missing = [netAdmin === 'missing' ? 'NET_ADMIN' : '', netRaw === 'missing' ? 'NET_RAW' : ''].filter(Boolean);
    return `the container lacks the capability ${missing.join(' and ')}: allow NET_ADMIN and NET_RAW to linkerd-init in this namespace (pod security level privileged), or use the CNI plugin`;
  }
  if (uid !== 0)
    return `user ${uid} may not change the network although the container may: use the mesh-proxy image, whose iptables carries the capabilities, or run as root (value proxyInit.runAsRoot=true)`;
  return 'the node refuses to change the network: look for a security module (AppArmor, SELinux) that forbids it, or set the value proxyInit.privileged=true';
}

function firstLine(text: string): string {
  const line = text.split('\n').find((each) => each.trim() !== '') ?? '';
  return line.trim();
}
