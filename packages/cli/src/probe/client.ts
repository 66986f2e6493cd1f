/** The probe's client: calls each target until it answers, then times a number of requests, and reads its sidecar's metrics. */
import { Agent, get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { parseMetrics } from '../metrics-text.ts';
import type { Sample } from '../metrics-text.ts';
import type { ProbeReport, ServerReport, SidecarReport } from './report.ts';

export interface ProbeTarget {
  readonly name: string;
  readonly url: string;
}

export interface ClientOptions {
  readonly targets: readonly ProbeTarget[];
  readonly requests: number;
  /** How long a target may take to answer for the first time. */
  readonly startTimeoutMs: number;
  /** The sidecar's admin address; "" when there is none. */
  readonly adminUrl: string;
  readonly onReport: (report: ProbeReport) => void;
}

/** One request may take this long: a failfast answer of a proxy comes after 3 s. */
const REQUEST_TIMEOUT_MS = 5_000;
const RETRY_MS = 200;

/** Targets one after the other, so that the sidecar's counters belong to one. True when all were answered. */
export async function runClient(options: ClientOptions): Promise<boolean> {
  let good = true;
  for (const target of options.targets) {
    const report = await probe(target, options);
    options.onReport(report);
    good &&= report.answered > 0 && report.failed === 0;
  }
  return good;
}

async function probe(target: ProbeTarget, options: ClientOptions): Promise<ProbeReport> {
  using agent = new DisposableAgent();
  const before = await sidecarRequests(options.adminUrl);
  const opened = await firstAnswer(target.url, agent.agent, options.startTimeoutMs);
  const base = { target: target.name, url: target.url };
  if ('error' in opened) return { ...base, answered: 0, failed: 1, error: opened.error };
  const times: number[] = [];
  let failed = 0;
  let error: string | undefined;
  let last = opened;
  for (let index = 0; index < options.requests; index += 1) {
    const startedAt = performance.now();
    const answer = await call(target.url, agent.agent);
    if ('error' in answer) {
      failed += 1;
      ({ error } = answer);
    } else {
      times.push(performance.now() - startedAt);
      last = answer;
    }
  }
  const sidecar = sidecarReport(before, await sidecarRequests(options.adminUrl));
  const server = serverReport(last.body);
  return {
    ...base,
    answered: times.length,
    failed,
    ...(error === undefined ? {} : { error }),
    ...(times.length === 0 ? {} : { latencyMs: { p50: percentile(times, 0.5), p99: percentile(times, 0.99) } }),
    status: last.status,
    httpVersion: last.httpVersion,
    ...(server === undefined ? {} : { server }),
    ...(sidecar === undefined ? {} : { sidecar }),
  };
}

interface Answer {
  readonly status: number;
  readonly httpVersion: string;
  readonly body: string;
}

/** What is no answer of the program: no connection, or a proxy's own. */
interface Failure {
  readonly error: string;
}

async function firstAnswer(url: string, agent: Agent, timeoutMs: number): Promise<Answer | Failure> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const answer = await call(url, agent);
    if (!('error' in answer) || performance.now() >= deadline) return answer;
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

async function call(url: string, agent: Agent): Promise<Answer | Failure> {
  try {
    const response = await request(url, agent);
    const body = await textOf(response);
    const status = response.statusCode ?? 0;
    const byProxy = response.headers['l5d-proxy-error'];
    if (byProxy !== undefined || status >= 500)
      return { error: `status ${status}${byProxy === undefined ? '' : ` from the proxy: ${String(byProxy)}`}` };
    return { status, httpVersion: response.httpVersion, body };
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) };
  }
}

function request(url: string, agent: Agent): Promise<IncomingMessage> {
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const sent = get(url, { agent, headers: { 'user-agent': 'mesh-probe' } }, resolve);
  sent.setTimeout(REQUEST_TIMEOUT_MS, () => sent.destroy(new Error(`no answer within ${REQUEST_TIMEOUT_MS / 1000} s`)));
  sent.on('error', reject);
  return promise;
}

/** Enough for our server's answer; of other programs' bodies nothing is wanted. */
const BODY_MAX = 4096;

async function textOf(response: IncomingMessage): Promise<string> {
  let body = '';
  for await (const chunk of response as AsyncIterable<Buffer>)
    if (body.length < BODY_MAX) body += chunk.toString('utf8');
  return body;
}

function serverReport(body: string): ServerReport | undefined {
  try {
    const parsed = JSON.parse(body) as Partial<ServerReport>;
    return typeof parsed.clientIdentity === 'string' && typeof parsed.pod === 'string'
      ? { pod: parsed.pod, clientIdentity: parsed.clientIdentity, httpVersion: parsed.httpVersion ?? '' }
      : undefined;
  } catch {
    return undefined;
  }
}

/** The outbound request counters of the sidecar, empty when it cannot be asked. */
async function sidecarRequests(adminUrl: string): Promise<readonly Sample[]> {
  if (adminUrl === '') return [];
  using agent = new DisposableAgent();
  try {
    const text = await wholeText(await request(`${adminUrl}/metrics`, agent.agent));
    return parseMetrics(text).filter(
      (sample) => sample.name === 'request_total' && sample.labels['direction'] === 'outbound',
    );
  } catch {
    return [];
  }
}

async function wholeText(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Of the series that grew: one without TLS counts before any with, since one request in the clear is one too many. */
export function sidecarReport(before: readonly Sample[], after: readonly Sample[]): SidecarReport | undefined {
  const keyOf = (sample: Sample): string =>
    JSON.stringify(Object.entries(sample.labels).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const known = new Map(before.map((sample) => [keyOf(sample), sample.value]));
  const grown = after.filter((sample) => sample.value > (known.get(keyOf(sample)) ?? 0));
  const shown = grown.find((sample) => sample.labels['tls'] !== 'true') ?? grown[0];
  if (shown === undefined) return undefined;
  const reason = shown.labels['no_tls_reason'];
  return {
    tls: shown.labels['tls'] ?? '',
    ...(reason === undefined || reason === '' ? {} : { reason }),
    serverIdentity: shown.labels['server_id'] ?? '',
  };
}

/** Nearest rank, to two decimals. */
function percentile(values: readonly number[], rank: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  const value = sorted[Math.max(0, Math.ceil(rank * sorted.length) - 1)] ?? 0;
  return Math.round(value * 100) / 100;
}

/** One connection that is kept: what is timed is requests. */
class DisposableAgent implements Disposable {
  readonly agent = new Agent({ keepAlive: true, maxSockets: 1 });

  [Symbol.dispose](): void {
    this.agent.destroy();
  }
}
