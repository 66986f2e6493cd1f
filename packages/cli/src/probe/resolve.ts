/** Asks the resolver of the pod for names, as programs there would, until it answers or time is up; writes what came of it. */
import { Resolver } from 'node:dns/promises';
import { setTimeout as delay } from 'node:timers/promises';

/** One line of the log. */
export interface ResolveReport {
  readonly name: string;
  /** `A` stands for an address of either family. */
  readonly type: 'A' | 'TXT';
  /** Absent when it was not resolved. */
  readonly records?: readonly string[];
  /** Node's code, such as `ENOTFOUND`. */
  readonly error?: string;
}

export interface ResolveQuestion {
  readonly name: string;
  readonly type: 'A' | 'TXT';
}

export interface ResolveOptions {
  readonly questions: readonly ResolveQuestion[];
  /** A configuration that was just changed takes a while to act. */
  readonly timeoutMs: number;
  readonly onReport: (report: ResolveReport) => void;
  /** Default: those of the pod. */
  readonly servers?: readonly string[];
}

const RETRY_MS = 500;
const KIND = 'mesh-resolve';

/** @returns true when every name was resolved */
export async function runResolve({ questions, timeoutMs, onReport, servers }: ResolveOptions): Promise<boolean> {
  const resolver = new Resolver({ timeout: 1000, tries: 2 });
  if (servers !== undefined) resolver.setServers(servers);
  const endMs = performance.now() + timeoutMs;
  let good = true;
  for (const question of questions) {
    let report = await resolve(resolver, question);
    while (report.records === undefined && performance.now() < endMs) {
      await delay(RETRY_MS);
      report = await resolve(resolver, question);
    }
    good &&= report.records !== undefined;
    onReport(report);
  }
  return good;
}

async function resolve(resolver: Resolver, { name, type }: ResolveQuestion): Promise<ResolveReport> {
  try {
    const records =
      type === 'TXT'
        ? (await resolver.resolveTxt(name)).map((parts) => parts.join(''))
        : await resolveAddress(resolver, name);
    return { name, type, records };
  } catch (error) {
    return { name, type, error: (error as { readonly code?: string }).code ?? String(error) };
  }
}

/** Of either family; a name that has neither is told with the reason for IPv4. */
async function resolveAddress(resolver: Resolver, name: string): Promise<readonly string[]> {
  try {
    return await resolver.resolve4(name);
  } catch (error) {
    if ((error as { readonly code?: string }).code !== 'ENODATA') throw error;
    return resolver.resolve6(name);
  }
}

/** `TXT:name` or `A:name`; undefined for anything else. */
export function parseQuestion(word: string): ResolveQuestion | undefined {
  const [, type, name = ''] = /^(A|TXT):([-a-z0-9_.]{1,253})$/.exec(word) ?? [];
  return type === 'A' || type === 'TXT' ? { name, type } : undefined;
}

export function formatResolveReport(report: ResolveReport): string {
  return `${JSON.stringify({ kind: KIND, ...report })}\n`;
}

/** All reports in a log; other lines are skipped. */
export function parseResolveReports(log: string): readonly ResolveReport[] {
  return log.split('\n').flatMap((line) => {
    if (!line.includes(KIND)) return [];
    try {
      const parsed: unknown = JSON.parse(line);
      return isReport(parsed) ? [parsed] : [];
    } catch {
      return [];
    }
  });
}

function isReport(value: unknown): value is ResolveReport {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, name, type } = value as Readonly<Record<string, unknown>>;
  return kind === KIND && typeof name === 'string' && (type === 'A' || type === 'TXT');
}
