/** One call of one webhook: where it is, the TLS that it must show, the time that it may take, and what its answer may be. */
import { request as httpsRequest, Agent } from 'node:https';
import { isIP } from 'node:net';
import { asNumber, asObject, asString, type JsonObject } from '../json.ts';
import type { Store } from '../store.ts';

const TIMEOUT_SECONDS_DEFAULT = 10;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;
const AGENTS_MAX = 64;

export interface WebhookTarget {
  readonly url: URL;
  /** The name that the certificate must have. */
  readonly serverName: string;
  /** Where to connect when the URL's host is a Service name. */
  readonly connectHost: string;
  readonly connectPort: number;
}

export class WebhookCaller {
  readonly #store: Store;
  readonly #servicePort: (port: number) => number;
  /** Connections are kept per CA and name, as each stands for one trust decision. */
  readonly #agents = new Map<string, Agent>();

  /** @param servicePort where a Service's port really listens */
  constructor(store: Store, servicePort: (port: number) => number) {
    this.#store = store;
    this.#servicePort = servicePort;
  }

  /** The answer's JSON. Every failure is an Error whose message completes "failed to call webhook: …". */
  async call(webhook: JsonObject, review: unknown): Promise<unknown> {
    const config = asObject(webhook['clientConfig']) ?? {};
    const seconds = asNumber(webhook['timeoutSeconds']) ?? TIMEOUT_SECONDS_DEFAULT;
    const target = this.#resolve(config, seconds);
    const body = JSON.stringify(review);
    try {
      return await this.#post(target, asString(config['caBundle']) ?? '', body, seconds);
    } catch (error) {
      throw new Error(`Post ${JSON.stringify(target.url.href)}: ${callProblem(error, seconds)}`, { cause: error });
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #resolve(config: JsonObject, seconds: number): WebhookTarget {
    const address = asString(config['url']);
    const timeout = `${seconds}s`;
    if (address !== undefined) {
      const url = new URL(address);
      url.searchParams.set('timeout', timeout);
      const connectPort = url.port === '' ? 443 : Number(url.port);
      return { url, serverName: url.hostname, connectHost: url.hostname, connectPort };
    }
    const service = asObject(config['service']) ?? {};
    const namespace = asString(service['namespace']) ?? '';
    const name = asString(service['name']) ?? '';
    const port = asNumber(service['port']) ?? 443;
    const path = asString(service['path']) ?? '/';
    const found = this.#store.get('/services', `${namespace}/${name}`);
    if (found === undefined) throw new Error(`service ${JSON.stringify(name)} not found`);
    const spec = asObject(found['spec']) ?? {};
    const ip = asString(spec['clusterIP']) ?? '';
    const connectHost = spec['type'] === 'ExternalName' ? (asString(spec['externalName']) ?? '') : ip;
    if (connectHost === '' || connectHost === 'None')
      throw new Error(`service ${JSON.stringify(name)} has no ClusterIP to call`);
    const serverName = `${name}.${namespace}.svc`;
    const url = new URL(`https://${serverName}:${port}${path.startsWith('/') ? path : `/${path}`}`);
    url.searchParams.set('timeout', timeout);
    return { url, serverName, connectHost, connectPort: this.#servicePort(port) };
  }

  #post(target: WebhookTarget, caBundle: string, body: string, seconds: number): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const request = httpsRequest(
      {
        method: 'POST',
        host: target.connectHost.replace(/^\[|\]$/g, ''),
        port: target.connectPort,
        path: `${target.url.pathname}${target.url.search}`,
        // SNI must not be an address (RFC 6066 §3); the certificate is checked against it all the same.
        ...(isIP(target.serverName) === 0 ? { servername: target.serverName } : {}),
        headers: {
          Host: target.url.host,
          'Content-Type': 'application/json',
          Accept: 'application/json',
          'User-Agent': 'kube-apiserver-admission',
          'Content-Length': Buffer.byteLength(body),
        },
        agent: this.#agent(target, caBundle),
        signal: AbortSignal.timeout(seconds * 1000),
      },
      (response) => {
        const chunks: Buffer[] = [];
        let size = 0;
        response.on('data', (chunk: Buffer) => {
          size += chunk.length;
          if (size > ANSWER_BYTES_MAX)
            response.destroy(new Error(`the answer is larger than ${ANSWER_BYTES_MAX} bytes`));
          chunks.push(chunk);
        });
        response.on('error', reject);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          if (response.statusCode !== 200) {
            reject(new Error(`the server answered with status ${response.statusCode}: ${text.slice(0, 200)}`));
            return;
          }
          try {
            resolve(JSON.parse(text));
          } catch {
            reject(new Error('the answer is not JSON'));
          }
        });
      },
    );
    request.on('error', reject);
    request.end(body);
    return promise;
  }

  #agent(target: WebhookTarget, caBundle: string): Agent {
    const key = `${target.serverName} ${target.connectHost} ${caBundle}`;
    let agent = this.#agents.get(key);
    if (agent !== undefined) return agent;
    if (this.#agents.size >= AGENTS_MAX) this.close();
    const ca = caBundle === '' ? undefined : Buffer.from(caBundle, 'base64').toString('utf8');
    agent = new Agent({ keepAlive: true, maxSockets: 32, timeout: 60_000, ...(ca === undefined ? {} : { ca }) });
    this.#agents.set(key, agent);
    return agent;
  }
}

function callProblem(error: unknown, seconds: number): string {
  if (!(error instanceof Error)) return String(error);
  if (error.name === 'TimeoutError' || error.name === 'AbortError') return `context deadline exceeded (${seconds}s)`;
  const { code } = error as NodeJS.ErrnoException;
  const { address, port } = error as { address?: string; port?: number };
  if (code === 'ECONNREFUSED') return `dial tcp ${address}:${port}: connect: connection refused`;
  if (
    code?.startsWith('ERR_TLS') === true ||
    code?.includes('CERT') === true ||
    code === 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'
  ) {
    return `tls: failed to verify certificate: ${error.message}`;
  }
  return error.message;
}
