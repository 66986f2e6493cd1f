/**
 * The loopback addresses of one cluster: a block 127.B.0.0/16 that no other cluster of this machine has.
 *
 * A block is claimed by holding a listener on it, so that two demos and parallel tests never meet,
 * and nothing is left behind when the process dies.
 *
 *   127.B.0.0/24    node: .1 API server and node address, .10 DNS, .255 the claim
 *   127.B.16.0/20   pods
 *   127.B.32.0/20   the private loopback address of each pod: its address plus 16 in the third part
 *   127.B.48.0/20   LoadBalancer addresses
 *   127.B.128.0/17  Services
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { MeshError } from '@mesh/runtime';

const FIRST_BLOCK = 20;
const LAST_BLOCK = 250;
const CLAIM_PORT = 6400;
/** Above the usual range of ephemeral ports (32768 to 60999), below 65536 - 1024. */
const PRIVILEGED_OFFSET = 61_000;

export interface AddressBlock extends AsyncDisposable {
  /** The B of 127.B.0.0/16. */
  readonly number: number;
  readonly nodeIp: string;
  readonly dnsIp: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly loadBalancerCidr: string;
  /** Added to ports below 1024 when this user may not bind them; else 0. */
  readonly privilegedOffset: number;
  readonly pods: AddressPool;
  readonly services: AddressPool;
  readonly loadBalancers: AddressPool;
}

/** Hands out addresses of a range, the least recently used first, so that a freed one rests a while. */
export class AddressPool {
  readonly #prefix: string;
  readonly #first: number;
  readonly #count: number;
  readonly #taken = new Set<number>();
  #next = 0;

  /** @param first offset of the first address in the block's 65536, @param count how many */
  constructor(prefix: string, first: number, count: number) {
    this.#prefix = prefix;
    this.#first = first;
    this.#count = count;
  }

  /** @throws MeshError `addresses_exhausted` */
  allocate(): string {
    for (let tried = 0; tried < this.#count; tried += 1) {
      const offset = this.#next;
      this.#next = (this.#next + 1) % this.#count;
      if (this.#taken.has(offset)) continue;
      this.#taken.add(offset);
      return this.#address(offset);
    }
    const message = `all ${this.#count} addresses from ${this.#address(0)} are in use: delete pods or Services`;
    throw new MeshError({ code: 'addresses_exhausted', first: this.#address(0), count: this.#count }, message);
  }

  /** @returns false when the address is outside of the range or taken */
  claim(address: string): boolean {
    const offset = this.#offset(address);
    if (offset === undefined || this.#taken.has(offset)) return false;
    this.#taken.add(offset);
    return true;
  }

  release(address: string): void {
    const offset = this.#offset(address);
    if (offset !== undefined) this.#taken.delete(offset);
  }

  contains(address: string): boolean {
    return this.#offset(address) !== undefined;
  }

  #address(offset: number): string {
    const at = this.#first + offset;
    return `${this.#prefix}.${at >> 8}.${at & 255}`;
  }

  #offset(address: string): number | undefined {
    const parts = address.split('.').map(Number);
    if (parts.length !== 4 || !address.startsWith(`${this.#prefix}.`)) return undefined;
    const offset = ((parts[2] ?? 0) << 8) + (parts[3] ?? 0) - this.#first;
    return offset >= 0 && offset < this.#count ? offset : undefined;
  }
}

/**
 * Claims a free block. Linux only: elsewhere 127.0.0.0/8 is not one network of this machine.
 *
 * @param required the block whose addresses stand in a cluster's stored state, or were those of a cluster before
 * @throws MeshError `unsupported_platform` | `no_free_block` | `block_in_use`
 */
export async function claimAddressBlock(required?: number): Promise<AddressBlock> {
  if (process.platform !== 'linux') {
    const message = `an embedded cluster needs Linux, this is ${process.platform}: use scripts/kind-multicluster instead`;
    throw new MeshError({ code: 'unsupported_platform', platform: process.platform }, message);
  }
  if (required !== undefined) {
    const claim = await hold(`127.${required}.0.255`);
    if (claim !== undefined) return createBlock(required, claim);
    const message = `this cluster needs the addresses of 127.${required}.0.0/16 as before, which another cluster of this machine uses: stop that one, or take another data folder`;
    throw new MeshError({ code: 'block_in_use', block: required }, message);
  }
  for (let number = FIRST_BLOCK; number <= LAST_BLOCK; number += 1) {
    const claim = await hold(`127.${number}.0.255`);
    if (claim !== undefined) return createBlock(number, claim);
  }
  const message = `all loopback networks 127.${FIRST_BLOCK}.0.0/16 to 127.${LAST_BLOCK}.0.0/16 are in use: stop a cluster`;
  throw new MeshError({ code: 'no_free_block', first: FIRST_BLOCK, last: LAST_BLOCK }, message);
}

/** The private loopback address that goes with a pod address. */
export function loopbackOf(podIp: string): string {
  const parts = podIp.split('.').map(Number);
  return `${parts[0]}.${parts[1]}.${(parts[2] ?? 0) + 16}.${parts[3]}`;
}

function createBlock(number: number, claim: Server): AddressBlock {
  const prefix = `127.${number}`;
  return {
    number,
    nodeIp: `${prefix}.0.1`,
    dnsIp: `${prefix}.0.10`,
    podCidr: `${prefix}.16.0/20`,
    serviceCidr: `${prefix}.128.0/17`,
    loadBalancerCidr: `${prefix}.48.0/20`,
    privilegedOffset: mayBindPrivileged() ? 0 : PRIVILEGED_OFFSET,
    pods: new AddressPool(prefix, (16 << 8) + 2, 4094 - 2),
    services: new AddressPool(prefix, (128 << 8) + 1, 32_766),
    loadBalancers: new AddressPool(prefix, (48 << 8) + 1, 4094),
    async [Symbol.asyncDispose]() {
      if (!claim.listening) return;
      await new Promise<void>((resolve) => void claim.close(() => resolve()));
    },
  };
}

function hold(address: string): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', () => resolve(undefined));
    server.listen({ host: address, port: CLAIM_PORT, exclusive: true }, () => {
      server.unref();
      resolve(server);
    });
  });
}

function mayBindPrivileged(): boolean {
  if (process.getuid?.() === 0) return true;
  try {
    return Number(readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8')) <= 80;
  } catch {
    return false;
  }
}
