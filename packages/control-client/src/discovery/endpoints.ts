/** Endpoint sets by `Destination.Get`: differences folded into immutable sets. */
import type { destination } from '@mesh/proxy-api';
import type { Logger } from '@mesh/runtime';
import { grpcStatusName } from '../grpc/status.ts';
import { GET } from '../proto/methods.ts';
import { addressKey, endpointKey, toEndpoint } from './convert-endpoint.ts';
import type { Endpoint, EndpointSet } from '@mesh/model';
import type { Sink, Source } from './watch-cache.ts';
import type { OpenWatch } from './open-watch.ts';

const NOTHING: EndpointSet = new Map();

/** Feeds endpoint sets by path, "name.ns.svc.cluster.local:port". */
export function endpointSource(open: OpenWatch, contextToken: string, log: Logger): Source<string, EndpointSet> {
  return (path, sink) => {
    const fold = new EndpointFold(sink);
    return open(
      GET,
      { scheme: 'k8s', path, contextToken },
      {
        opened: () => fold.restart(),
        message: (message) => fold.apply(message),
        interrupted: () => undefined,
        terminal: (status) => {
          log.warn('endpoint discovery refused', { path, status: grpcStatusName(status.code), reason: status.message });
          sink.set(NOTHING);
        },
      },
    );
  };
}

/**
 * The first `add` of a stream replaces everything, as the server starts from nothing; later ones change what they name. Until
 * that first `add`, what an earlier stream said stays, and a `remove` has nothing to refer to.
 */
export class EndpointFold {
  readonly #sink: Sink<EndpointSet>;
  #fresh = true;

  constructor(sink: Sink<EndpointSet>) {
    this.#sink = sink;
  }

  restart(): void {
    this.#fresh = true;
  }

  apply(message: destination.Update): void {
    switch (message.update?.$case) {
      case 'add':
        return this.#add(message.update.value);
      case 'remove':
        return this.#remove(message.update.value);
      case 'noEndpoints':
        this.#fresh = false;
        return this.#sink.set(NOTHING);
      case undefined:
    }
  }

  #add(set: destination.WeightedAddrSet): void {
    if (set.addrs.length === 0) return;
    const before = this.#sink.current ?? NOTHING;
    const next = new Map(this.#fresh ? NOTHING : before);
    this.#fresh = false;
    for (const address of set.addrs) {
      const endpoint = toEndpoint(address, set.metricLabels);
      if (endpoint === undefined) continue;
      const key = endpointKey(endpoint.address);
      const known = before.get(key);
      next.set(key, known !== undefined && isSame(known, endpoint) ? known : endpoint);
    }
    this.#sink.set(next);
  }

  #remove(set: destination.AddrSet): void {
    if (this.#fresh || set.addrs.length === 0) return;
    const next = new Map(this.#sink.current);
    for (const address of set.addrs) {
      const key = addressKey(address);
      if (key !== undefined) next.delete(key);
    }
    this.#sink.set(next);
  }
}

function isSame(a: Endpoint, b: Endpoint): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
