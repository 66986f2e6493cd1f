/**
 * HTTP to one API server: pooled keep-alive connections, one request in, one response out, failures
 * as `KubeError`. Watches use connections of their own, so that they never starve requests.
 */
import http from 'node:http';
import https from 'node:https';
import type { ClusterAccess } from './kubeconfig.ts';
import type { RequestAuth } from './credentials.ts';
import { KubeError } from './errors.ts';
import type { KubeErrorCode } from './errors.ts';

export interface HttpRequest {
  readonly method: string;
  /** With query. */
  readonly path: string;
  readonly accept: string;
  readonly contentType?: string | undefined;
  readonly body?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** What errors call the target. */
  readonly object: string;
}

export interface TransportOptions {
  /** No answer for this long fails a request. Watches are exempt once they are answered. */
  readonly requestTimeoutMs: number;
  /** Parallel request connections. client-go's default budget is 5 QPS; we bound connections instead of rate. */
  readonly maxConnections: number;
  readonly userAgent: string;
}

/** 10 s: the API server answers within 1 s or it is in trouble; lists of 500 objects take about 50 ms. */
export const DEFAULT_TRANSPORT_OPTIONS: TransportOptions = {
  requestTimeoutMs: 10_000,
  maxConnections: 16,
  userAgent: 'mesh/0.1.0',
};

/** TCP keep-alive starts after this much silence, to notice a vanished API server under an idle watch. */
const TCP_KEEP_ALIVE_MS = 10_000;

export class Transport implements Disposable {
  readonly #access: ClusterAccess;
  readonly #options: TransportOptions;
  readonly #base: URL;
  readonly #requests: http.Agent;
  readonly #watches: http.Agent;

  constructor(access: ClusterAccess, options: TransportOptions) {
    this.#access = access;
    this.#options = options;
    this.#base = new URL(access.server);
    const shared = { keepAlive: true, keepAliveMsecs: TCP_KEEP_ALIVE_MS };
    const Agent = this.#base.protocol === 'https:' ? https.Agent : http.Agent;
    this.#requests = new Agent({ ...shared, maxSockets: options.maxConnections });
    this.#watches = new Agent(shared);
  }

  /** The whole response body as text, whatever the status. */
  async request(request: HttpRequest): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
    const auth = await this.#access.credentials.authorize();
    try {
      return await this.#readAll(request, auth);
    } catch (error) {
      // A pooled connection that the server had closed: safe to repeat only what changes nothing.
      if (request.method !== 'GET' || !isStaleConnection(error)) throw error;
      return this.#readAll(request, auth);
    }
  }

  /** Resolves with the response's head; the caller consumes or destroys the stream. */
  async stream(request: HttpRequest): Promise<http.IncomingMessage> {
    const auth = await this.#access.credentials.authorize();
    return this.#send(request, auth, this.#watches);
  }

  [Symbol.dispose](): void {
    this.#requests.destroy();
    this.#watches.destroy();
  }

  async #readAll(
    request: HttpRequest,
    auth: RequestAuth,
  ): Promise<{ status: number; headers: http.IncomingHttpHeaders; text: string }> {
    const response = await this.#send(request, auth, this.#requests);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of response) chunks.push(chunk as Buffer);
    } catch (error) {
      throw this.failure(request, error);
    }
    return {
      status: response.statusCode ?? 0,
      headers: response.headers,
      text: Buffer.concat(chunks).toString('utf8'),
    };
  }

  #send(request: HttpRequest, auth: RequestAuth, agent: http.Agent): Promise<http.IncomingMessage> {
    request.signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>();
    const secure = this.#base.protocol === 'https:';
    const body = request.body === undefined ? undefined : Buffer.from(request.body);
    const outgoing = (secure ? https : http).request({
      protocol: this.#base.protocol,
      hostname: this.#base.hostname.replace(/^\[|\]$/g, ''),
      port: this.#base.port === '' ? (secure ? 443 : 80) : Number(this.#base.port),
      method: request.method,
      path: this.#base.pathname.replace(/\/$/, '') + request.path,
      agent: auth.agent ?? agent,
      headers: this.#headers(request, auth, body),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
      ...(secure ? this.#tlsOptions(auth) : {}),
    });
    const timer = setTimeout(() => {
      outgoing.destroy(
        Object.assign(new Error(`no answer within ${this.#options.requestTimeoutMs} ms`), { code: 'ETIMEDOUT' }),
      );
    }, this.#options.requestTimeoutMs);
    outgoing.once('response', (response) => {
      clearTimeout(timer);
      resolve(response);
    });
    // Stays attached: an error after the response has begun reaches the reader through the response stream.
    outgoing.on('error', (error) => {
      clearTimeout(timer);
      reject(this.failure(request, error, outgoing.reusedSocket));
    });
    outgoing.end(body);
    return promise;
  }

  #headers(request: HttpRequest, auth: RequestAuth, body: Buffer | undefined): http.OutgoingHttpHeaders {
    const headers: http.OutgoingHttpHeaders = {
      accept: request.accept,
      'user-agent': this.#options.userAgent,
    };
    for (const [name, value] of Object.entries(auth.headers))
      headers[name] = typeof value === 'string' ? value : [...value];
    if (request.contentType !== undefined) headers['content-type'] = request.contentType;
    if (body !== undefined) headers['content-length'] = body.byteLength;
    return headers;
  }

  #tlsOptions(auth: RequestAuth): https.RequestOptions {
    const access = this.#access;
    const host = this.#base.hostname.replace(/^\[|\]$/g, '');
    return {
      rejectUnauthorized: !access.insecureSkipTlsVerify,
      servername: access.tlsServerName ?? (isIpAddress(host) ? '' : host),
      ...(access.caPem === undefined ? {} : { ca: access.caPem }),
      ...(auth.certPem === undefined ? {} : { cert: auth.certPem }),
      ...(auth.keyPem === undefined ? {} : { key: auth.keyPem }),
    };
  }

  /** The rejection for a request that got no (whole) answer. Aborts pass through unchanged. */
  failure(request: HttpRequest, error: unknown, reusedSocket = false): unknown {
    if (request.signal?.aborted === true) return request.signal.reason;
    if (error instanceof KubeError) return error;
    const cause = error as NodeJS.ErrnoException;
    const { code, explanation } = explain(cause, this.#access.server);
    const failure = new KubeError({ code, object: request.object, status: 0 }, `${request.object}: ${explanation}`, {
      cause,
    });
    if (reusedSocket && cause.code === 'ECONNRESET') staleConnections.add(failure);
    return failure;
  }
}

const staleConnections = new WeakSet<object>();

function isStaleConnection(error: unknown): boolean {
  return typeof error === 'object' && error !== null && staleConnections.has(error);
}

function isIpAddress(host: string): boolean {
  return /^[\d.]+$/.test(host) || host.includes(':');
}

/** OpenSSL verification results that node reports as error codes. */
const CERTIFICATE_ADVICE: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'its certificate has expired; renew it there',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet; compare the clocks',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for other names; use an address that the certificate lists, or set tls-server-name',
};
const UNKNOWN_AUTHORITY =
  'its certificate is not signed by the authority that we were given; renew certificate-authority-data from that cluster';
const UNKNOWN_AUTHORITY_CODES = new Set([
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_SIGNATURE_FAILURE',
]);

function explain(error: NodeJS.ErrnoException, server: string): { code: KubeErrorCode; explanation: string } {
  const code = error.code ?? '';
  const advice = CERTIFICATE_ADVICE[code] ?? (UNKNOWN_AUTHORITY_CODES.has(code) ? UNKNOWN_AUTHORITY : undefined);
  if (advice !== undefined)
    return { code: 'tls', explanation: `the API server ${server} is not trusted: ${advice} (${code})` };
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_OSSL') || code === 'EPROTO') {
    return { code: 'tls', explanation: `TLS with the API server ${server} failed: ${error.message}` };
  }
  const what = code === 'ENOTFOUND' || code === 'EAI_AGAIN' ? 'its name does not resolve' : error.message;
  return { code: 'unreachable', explanation: `the API server ${server} cannot be reached: ${what}` };
}
