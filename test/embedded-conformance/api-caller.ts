/** Plain HTTPS calls to a Kubernetes API, each recorded in a transcript. No client library, so that nothing is hidden. */
import { readFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { parse } from 'yaml';

export interface Target {
  readonly server: string;
  readonly ca: string;
  readonly certificate: string;
  readonly key: string;
}

export interface Step {
  readonly name: string;
  readonly request: string;
  readonly code: number;
  readonly warnings?: readonly string[];
  readonly body: unknown;
}

export interface CallOptions {
  readonly contentType?: string;
  readonly accept?: string;
  /** A bearer token instead of the administrator's certificate; the empty string sends no credentials at all. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** What of the answer is kept; everything by default. */
  readonly keep?: (body: unknown) => unknown;
}

export interface Answer {
  readonly code: number;
  readonly warnings: readonly string[];
  readonly text: string;
}

interface KubeconfigFile {
  readonly clusters: readonly { readonly cluster: Readonly<Record<string, string>> }[];
  readonly users: readonly { readonly user: Readonly<Record<string, string>> }[];
}

/** The first cluster and user of a kubeconfig with embedded certificates. */
export function targetOf(kubeconfig: string): Target {
  const config = parse(kubeconfig) as KubeconfigFile;
  const cluster = config.clusters[0]?.cluster;
  const user = config.users[0]?.user;
  const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString('utf8');
  if (cluster?.['server'] === undefined || user?.['client-key-data'] === undefined) {
    throw new Error(
      'the kubeconfig needs a cluster with `server` and a user with `client-certificate-data` and `client-key-data`',
    );
  }
  return {
    server: cluster['server'],
    ca: decode(cluster['certificate-authority-data']),
    certificate: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  };
}

export function readTarget(path: string): Target {
  return targetOf(readFileSync(path, 'utf8'));
}

export class ApiCaller {
  readonly steps: Step[] = [];
  readonly #target: Target;
  readonly #admin: Agent;
  readonly #stranger: Agent;

  constructor(target: Target) {
    this.#target = target;
    this.#admin = new Agent({ keepAlive: true, ca: target.ca, cert: target.certificate, key: target.key });
    this.#stranger = new Agent({ keepAlive: true, ca: target.ca });
  }

  close(): void {
    this.#admin.destroy();
    this.#stranger.destroy();
  }

  /** Calls and records. Gives the parsed body. */
  async call(
    name: string,
    method: string,
    path: string,
    body?: unknown,
    options: CallOptions = {},
  ): Promise<Record<string, unknown>> {
    const answer = await this.send(method, path, body, options);
    const parsed = parseBody(answer.text);
    this.record(name, `${method} ${path}`, answer, options.keep === undefined ? parsed : options.keep(parsed));
    return parsed as Record<string, unknown>;
  }

  record(name: string, request: string, answer: Pick<Answer, 'code' | 'warnings'>, body: unknown): void {
    const { code, warnings } = answer;
    this.steps.push({ name, request, code, ...(warnings.length === 0 ? {} : { warnings }), body });
  }

  /** Calls without recording. */
  async send(method: string, path: string, body?: unknown, options: CallOptions = {}): Promise<Answer> {
    const response = await this.open(method, path, body, options);
    const chunks: Buffer[] = [];
    for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
    const warnings = (response.headersDistinct['warning'] ?? []).flatMap((header) =>
      [...header.matchAll(/299 - "((?:[^"\\]|\\.)*)"/g)].map((match) => match[1] ?? ''),
    );
    return { code: response.statusCode ?? 0, warnings, text: Buffer.concat(chunks).toString('utf8') };
  }

  /** The answer as soon as its head is there; the caller reads or destroys it. */
  open(method: string, path: string, body: unknown, options: CallOptions = {}): Promise<IncomingMessage> {
    const url = new URL(path, this.#target.server);
    const text = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
    const headers: Record<string, string> = {
      accept: options.accept ?? 'application/json',
      'user-agent': 'conformance/1.0',
      ...(text === undefined
        ? {}
        : {
            'content-type': options.contentType ?? 'application/json',
            'content-length': String(Buffer.byteLength(text)),
          }),
      ...(options.token === undefined || options.token === '' ? {} : { authorization: `Bearer ${options.token}` }),
      ...options.headers,
    };
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const agent = options.token === undefined ? this.#admin : this.#stranger;
    const outgoing = request(url, { method, headers, agent }, resolve);
    outgoing.on('error', reject);
    outgoing.end(text);
    return promise;
  }

  /** Repeats a call until `done` holds for its body, at most 20 s; records only the last answer. */
  async until(
    name: string,
    path: string,
    done: (body: Record<string, unknown>, code: number) => boolean,
    options: CallOptions = {},
  ): Promise<Record<string, unknown>> {
    const deadline = Date.now() + 20_000;
    for (;;) {
      const answer = await this.send('GET', path, undefined, options);
      const body = parseBody(answer.text) as Record<string, unknown>;
      if (done(body, answer.code)) {
        this.record(name, `GET ${path}`, answer, options.keep === undefined ? body : options.keep(body));
        return body;
      }
      if (Date.now() > deadline)
        throw new Error(`${name}: not reached in 20 s; last answer ${answer.code} ${answer.text}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /**
   * Opens a watch, runs `act`, and records events until `count` came (or the server ended the watch).
   * Bookmarks that carry nothing but a version are left out, as they come by the clock.
   */
  async watch(
    name: string,
    path: string,
    count: number,
    act: () => Promise<unknown> = async () => undefined,
    options: CallOptions = {},
  ): Promise<void> {
    const response = await this.open('GET', path, undefined, options);
    const events: unknown[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    let rest = '';
    response.setEncoding('utf8');
    response.on('data', (chunk: string) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const event = JSON.parse(line) as { type: string; object: { metadata?: { annotations?: unknown } } };
        if (event.type === 'BOOKMARK' && event.object.metadata?.annotations === undefined) continue;
        events.push(event);
        if (events.length >= count) resolve();
      }
    });
    response.on('error', () => resolve());
    response.on('end', () => {
      if (events.length === 0 && rest !== '') events.push(JSON.parse(rest));
      resolve();
    });
    const timer = setTimeout(resolve, 15_000);
    await act();
    await promise;
    clearTimeout(timer);
    if (!response.complete) response.destroy();
    this.record(name, `GET ${path}`, { code: response.statusCode ?? 0, warnings: [] }, events);
  }
}

function parseBody(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
