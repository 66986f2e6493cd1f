/** Which addresses of a peer's pods count: a peer must not make programs here talk to themselves, to their node's metadata, or to hosts that are not its own. */
import { cidrContains, isLoopback, parseIp } from '@mesh/model';
import type { Cidr } from '@mesh/model';
import type { RemoteEndpoints, RemoteService } from './remote-cluster.ts';

type Endpoints = RemoteEndpoints['endpoints'];

export class PeerNetworks {
  readonly #networks: readonly Cidr[];
  /** Lists do not change once they are there, and are asked for again and again. */
  readonly #admitted = new WeakMap<Endpoints, Endpoints>();

  /** @param networks Where pods of peers may be. Empty: anywhere but in loopback, link-local, multicast and reserved networks. */
  constructor(networks: readonly Cidr[]) {
    this.#networks = networks;
  }

  /** The Service without endpoints that no pod of a peer can have. */
  admitted(remote: RemoteService): RemoteService {
    const { endpoints } = remote;
    if (endpoints.length === 0) return remote;
    return { ...remote, endpoints: endpoints.map((part) => ({ ...part, endpoints: this.#filter(part) })) };
  }

  #filter({ endpoints, addressType }: RemoteEndpoints): Endpoints {
    const known = this.#admitted.get(endpoints);
    if (known !== undefined) return known;
    const admitted = endpoints.filter(({ addresses: [address] }) => this.#isAdmitted(address ?? '', addressType));
    this.#admitted.set(endpoints, admitted);
    return admitted;
  }

  #isAdmitted(address: string, family: 'IPv4' | 'IPv6'): boolean {
    const bytes = parseIp(address);
    if (bytes === undefined || bytes.length !== (family === 'IPv6' ? 16 : 4)) return false;
    if (this.#networks.length > 0) return this.#networks.some((network) => cidrContains(network, bytes));
    const [first = 0, second = 0] = bytes;
    if (isLoopback(bytes)) return false;
    if (bytes.length === 4) return first !== 0 && first < 224 && !(first === 169 && second === 254);
    return bytes.some((byte) => byte !== 0) && first !== 0xff && !(first === 0xfe && (second & 0xc0) === 0x80);
  }
}
