/**
 * What many connections have in common, kept once: who the peer is, and addresses. A proxy has thousands of connections of few peers, and the DER
 * of a leaf with its names is 1 KB of each (Bun 1.4.5, 2026-11).
 */
import { readSubjectAltNames } from './subject-alt-names.ts';
import type { Address, PeerInfo } from './types.ts';

/** Leaves are renewed once a day: as many as there are peers, and some. What is over is made anew. */
const PEERS_MAX = 1024;
const NO_BYTES = new Uint8Array(0);

export class Interned {
  readonly #peers = new Map<string, PeerInfo>();
  #local: Address = { ip: '', port: 0 };

  /** @param leafDer Empty: the peer has no certificate. */
  peer(leafDer: Uint8Array, alpn: string | undefined, sni: string | undefined): PeerInfo {
    if (leafDer.length === 0) return { leafDer: NO_BYTES, dns: [], uri: [], alpn, sni };
    const text = Buffer.from(leafDer.buffer, leafDer.byteOffset, leafDer.byteLength).toString('latin1');
    // Names in a ClientHello are text without control characters once TLS has accepted them; lengths keep the parts apart anyhow.
    const key = `${text.length} ${alpn?.length ?? -1} ${text}${alpn ?? ''}${sni ?? ''}`;
    const known = this.#peers.get(key);
    if (known !== undefined) return known;
    const info: PeerInfo = { leafDer: Uint8Array.from(leafDer), ...readSubjectAltNames(leafDer), alpn, sni };
    const [oldest] = this.#peers.keys();
    if (this.#peers.size >= PEERS_MAX && oldest !== undefined) this.#peers.delete(oldest);
    this.#peers.set(key, info);
    return info;
  }

  /** The local address of most connections is that of their listener. */
  local(address: Address): Address {
    if (address.port !== this.#local.port || address.ip !== this.#local.ip) this.#local = address;
    return this.#local;
  }
}
