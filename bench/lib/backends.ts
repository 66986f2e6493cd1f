/**
 * The servers behind all proxies. HTTP/1.1: a program of ours on raw sockets (backend.ts). HTTP/2 and gRPC: nghttpd, with files as its answers; for gRPC
 * they are framed messages, and each answer ends with the trailer `grpc-status: 0`.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, LOAD_CPU, pinned, startProgram, untilListening } from './programs.ts';
import { BODIES, BODY_BYTES, grpcMessage, PROTOCOLS, requestPath } from './protocols.ts';
import type { Protocol } from './protocols.ts';

export const BACKEND_PORT = 8080;
/** As many as most servers of HTTP/2 allow, or more: what limits a proxy should be the proxy. */
const STREAMS_MAX = 1000;

export class Backends implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'mesh-bench-backend-'));

  constructor() {
    for (const protocol of PROTOCOLS) {
      for (const body of BODIES) {
        const file = join(this.#folder, requestPath(protocol, body));
        mkdirSync(dirname(file), { recursive: true });
        writeFileSync(file, protocol === 'grpc' ? grpcMessage(BODY_BYTES[body]) : Buffer.alloc(BODY_BYTES[body], 'x'));
      }
    }
    writeFileSync(this.#mimeTypes, 'application/grpc grpc\n');
  }

  /** Why there can be no server of that protocol here, or undefined. */
  missing(protocol: Protocol): string | undefined {
    if (protocol === 'http1' || findProgram('nghttpd') !== undefined) return undefined;
    return 'nghttpd is not installed (Debian package nghttp2-server)';
  }

  /** Resolves once it answers at {@link BACKEND_PORT} of the address. */
  async start(stack: AsyncDisposableStack, protocol: Protocol, host: string): Promise<{ host: string; port: number }> {
    const port = BACKEND_PORT;
    const program = stack.use(startProgram(pinned(LOAD_CPU, this.#command(protocol, host, String(port)))));
    await untilListening(host, port, program);
    return { host, port };
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  get #mimeTypes(): string {
    return join(this.#folder, 'mime.types');
  }

  #command(protocol: Protocol, host: string, port: string): readonly string[] {
    if (protocol === 'http1')
      return [process.execPath, fileURLToPath(new URL('backend.ts', import.meta.url)), host, port];
    const files = ['--htdocs', this.#folder, '--mime-types-file', this.#mimeTypes];
    const trailer = protocol === 'grpc' ? ['--trailer', 'grpc-status: 0'] : [];
    const command = ['nghttpd', '--no-tls', '--address', host, '--max-concurrent-streams', String(STREAMS_MAX)];
    return [...command, ...files, ...trailer, port];
  }
}
