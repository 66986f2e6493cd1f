/**
 * Loopback addresses for one benchmark run, so that two runs at the same time never meet: 127.A.B.0/24 belongs to whoever listens at its
 * first address, and the kernel gives that back whatever becomes of the owner.
 */
import { createServer } from 'node:net';
import type { Server } from 'node:net';

/** Anything fixed will do: the address around it is what is claimed. */
const CLAIM_PORT = 4190;
const NETWORKS = 256;
/** Second octet of all networks; 127.0 and 127.1 are everybody's. */
const SECOND_OCTET = 109;
const HOSTS_MAX = 254;

export class Loopback implements AsyncDisposable {
  readonly network: number;
  readonly #claim: Server;
  #last = 1;

  /** Use {@link claimLoopback}. */
  constructor(network: number, claim: Server) {
    this.network = network;
    this.#claim = claim;
  }

  /** An address that nothing else of this run or another has. */
  next(): string {
    this.#last += 1;
    if (this.#last > HOSTS_MAX) throw new Error(`a benchmark run has at most ${HOSTS_MAX - 1} addresses`);
    return `127.${SECOND_OCTET}.${this.network}.${this.#last}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await new Promise((resolve) => this.#claim.close(resolve));
  }
}

/** @param first The network that is tried first; by process, so that runs which start together seldom meet. */
export async function claimLoopback(first = process.pid): Promise<Loopback> {
  for (let step = 0; step < NETWORKS; step += 1) {
    const network = (first + step) % NETWORKS;
    const claim = await listen(`127.${SECOND_OCTET}.${network}.1`);
    if (claim !== undefined) return new Loopback(network, claim);
  }
  throw new Error(`all ${NETWORKS} loopback networks of 127.${SECOND_OCTET}.0.0/16 are taken: end other benchmarks`);
}

/** A listener, or undefined where another process has the address. */
function listen(host: string): Promise<Server | undefined> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.unref();
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(undefined) : reject(error),
    );
    server.listen({ host, port: CLAIM_PORT, exclusive: true }, () => resolve(server));
  });
}
