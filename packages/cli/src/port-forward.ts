/**
 * A connection to a port of a pod through the API server, as `kubectl port-forward` makes them: works wherever the API server is
 * reached, and the user's own rights decide. The wire format is Kubernetes' `v4.channel.k8s.io` over WebSocket (RFC 6455).
 */
import { randomBytes } from 'node:crypto';
import http from 'node:http';
import https from 'node:https';
import { isIP } from 'node:net';
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { ClusterAccess } from '@mesh/kube';
import { CliError } from './errors.ts';
import { encodeFrame, FrameReader, OPCODE } from './websocket.ts';

export interface PodPort {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
}

const PROTOCOL = 'v4.channel.k8s.io';
/** Of the only port that is asked for; the channel after it carries what went wrong in the node. */
const DATA_CHANNEL = 0;
const ERROR_CHANNEL = 1;
/** The first message on each channel says the port again. */
const PORT_BYTES = 2;
const ANSWER_TIMEOUT_MS = 10_000;

/**
 * @returns The connection, or `undefined` when this API server forwards no ports (501), as that of an embedded cluster.
 * @throws CliError `cluster` when the API server refuses or does not answer.
 */
export async function forwardPort(
  access: ClusterAccess,
  target: PodPort,
  signal: AbortSignal,
): Promise<Duplex | undefined> {
  const what = `port ${target.port} of pod ${target.namespace}/${target.pod}`;
  const { promise, resolve, reject } = Promise.withResolvers<Duplex | undefined>();
  const fail = (cause: string): void =>
    reject(new CliError({ code: 'cluster' }, `${access.server} forwards no connection to ${what}: ${cause}`));
  // `kubectl proxy` speaks plain HTTP.
  const { request: open } = access.server.startsWith('https:') ? https : http;
  const request = open(await upgradeRequest(access, target, signal));
  request.setTimeout(ANSWER_TIMEOUT_MS, () =>
    request.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS / 1000} s`)),
  );
  request.on('error', (error) => (signal.aborted ? reject(signal.reason as Error) : fail(error.message)));
  request.on('response', (response) => {
    response.resume();
    if (response.statusCode === 501) resolve(undefined);
    else fail(`status ${response.statusCode ?? 0}`);
    request.destroy();
  });
  request.on('upgrade', (response, socket: Socket, head) => {
    socket.setTimeout(0);
    if (response.headers['sec-websocket-protocol'] !== PROTOCOL) {
      socket.destroy();
      fail(`it does not speak ${PROTOCOL}`);
      return;
    }
    resolve(new ForwardedPort(socket, head, what));
  });
  request.end();
  return promise;
}

async function upgradeRequest(
  access: ClusterAccess,
  { namespace, pod, port }: PodPort,
  signal: AbortSignal,
): Promise<https.RequestOptions> {
  const auth = await access.credentials.authorize();
  const base = new URL(access.server);
  const host = base.hostname.replace(/^\[|\]$/g, '');
  return {
    host,
    port: base.port === '' ? (base.protocol === 'https:' ? 443 : 80) : Number(base.port),
    path: `${base.pathname.replace(/\/$/, '')}/api/v1/namespaces/${namespace}/pods/${pod}/portforward?ports=${port}`,
    headers: {
      ...(auth.headers as Record<string, string>),
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': randomBytes(16).toString('base64'),
      'sec-websocket-protocol': PROTOCOL,
    },
    agent: auth.agent ?? false,
    signal,
    rejectUnauthorized: !access.insecureSkipTlsVerify,
    servername: access.tlsServerName ?? (isIP(host) === 0 ? host : ''),
    ...(access.caPem === undefined ? {} : { ca: access.caPem }),
    ...(auth.certPem === undefined ? {} : { cert: auth.certPem }),
    ...(auth.keyPem === undefined ? {} : { key: auth.keyPem }),
  };
}

/** The bytes of the data channel; an error that the node reports ends it. */
class ForwardedPort extends Duplex {
  readonly #socket: Socket;
  readonly #reader = new FrameReader();
  readonly #what: string;
  /** Bytes of each channel's port number that are still to come. */
  readonly #preamble: [number, number] = [PORT_BYTES, PORT_BYTES];

  constructor(socket: Socket, head: Buffer, what: string) {
    super();
    this.#socket = socket;
    this.#what = what;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.on('end', () => this.push(null));
    socket.on('close', () => this.destroy());
    socket.on('error', (error) => this.destroy(error));
    if (head.length > 0) this.#take(head);
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    const message = Buffer.concat([Buffer.of(DATA_CHANNEL), chunk]);
    this.#socket.write(encodeFrame(OPCODE.binary, message), (error) => done(error));
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(encodeFrame(OPCODE.close, Buffer.alloc(0)), () => done());
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(chunk: Buffer): void {
    try {
      for (const { opcode, payload } of this.#reader.read(chunk)) {
        if (opcode === OPCODE.close) this.push(null);
        else if (opcode === OPCODE.ping) this.#socket.write(encodeFrame(OPCODE.pong, payload));
        else if (opcode === OPCODE.binary || opcode === OPCODE.continuation) this.#message(payload);
      }
    } catch (error) {
      this.destroy(error as Error);
    }
  }

  #message(payload: Buffer): void {
    const channel = payload[0];
    if (channel !== DATA_CHANNEL && channel !== ERROR_CHANNEL) return;
    const skipped = Math.min(this.#preamble[channel], payload.length - 1);
    this.#preamble[channel] -= skipped;
    const bytes = payload.subarray(1 + skipped);
    if (bytes.length === 0) return;
    if (channel === ERROR_CHANNEL) {
      this.destroy(new CliError({ code: 'cluster' }, `${this.#what}: ${bytes.toString('utf8').trim()}`));
    } else if (!this.push(bytes)) this.#socket.pause();
  }
}
