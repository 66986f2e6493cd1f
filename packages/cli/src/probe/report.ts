/** What the probe's client writes to its log, one JSON line per target, and how that is read back. */

export interface ProbeReport {
  readonly target: string;
  readonly url: string;
  /** Requests that were answered by the program, not by a proxy. */
  readonly answered: number;
  readonly failed: number;
  /** What the last failure was. */
  readonly error?: string;
  /** Milliseconds; absent without an answer. The request that opened the connection does not count. */
  readonly latencyMs?: { readonly p50: number; readonly p99: number };
  readonly status?: number;
  /** As the client saw the response: `1.1`. */
  readonly httpVersion?: string;
  /** What the server says, when it is the probe's. */
  readonly server?: ServerReport;
  /** What the client's own sidecar counted for these requests. */
  readonly sidecar?: SidecarReport;
}

export interface ServerReport {
  readonly pod: string;
  /** The client's identity as the server's sidecar verified it; "" when it did not. */
  readonly clientIdentity: string;
  readonly httpVersion: string;
}

export interface SidecarReport {
  /** `true` for mTLS; otherwise `no_identity` and the like, with the reason. */
  readonly tls: string;
  readonly reason?: string;
  /** The server's identity as the client's sidecar verified it. */
  readonly serverIdentity: string;
}

/** Marks the lines: a log may hold others. */
const KIND = 'mesh-probe';

export function formatReport(report: ProbeReport): string {
  return `${JSON.stringify({ kind: KIND, ...report })}\n`;
}

/** All reports in a log; other lines are skipped. */
export function parseReports(log: string): readonly ProbeReport[] {
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

function isReport(value: unknown): value is ProbeReport {
  if (typeof value !== 'object' || value === null) return false;
  const { kind, target, answered, failed } = value as Readonly<Record<string, unknown>>;
  return kind === KIND && typeof target === 'string' && typeof answered === 'number' && typeof failed === 'number';
}
