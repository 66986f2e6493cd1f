/** The gateway's identity: certified by the mesh's identity service, or, in a worker, handed over by the supervisor. */
import { X509Certificate } from 'node:crypto';
import type { WorkloadIdentity } from '@mesh/control-client';
import type { Driver, TlsContext, TlsMaterial } from '@mesh/net';
import { authorityKeyId } from '@mesh/pki';
import { identityPort } from '@mesh/proxy';
import type { Identity } from '@mesh/proxy';
import type { Component } from '@mesh/runtime';

/** Started, it resolves with the first certificate. */
export interface GatewayIdentity extends Component {
  /** For the data path. */
  readonly port: Identity;
  /** Which authority signed the present certificate: its key identifier. */
  issuer(): string | undefined;
}

export function certifiedIdentity(workload: WorkloadIdentity): GatewayIdentity {
  return {
    name: workload.name,
    port: identityPort(workload),
    issuer: () => issuerOf(workload.current()?.chainPem),
    start: (signal) => workload.start(signal),
    [Symbol.asyncDispose]: () => workload[Symbol.asyncDispose](),
  };
}

/** Takes certificates from elsewhere. */
export class HandedIdentity implements GatewayIdentity {
  readonly name = 'identity';
  readonly port: Identity;
  readonly #driver: Driver;
  readonly #listeners = new Set<() => void>();
  readonly #first = Promise.withResolvers<void>();
  #tls: TlsContext | undefined;
  #issuer: string | undefined;

  constructor(identityName: string, driver: Driver) {
    const tls = (): TlsContext | undefined => this.#tls;
    this.#driver = driver;
    this.port = {
      name: identityName,
      serverName: identityName,
      get tls() {
        return tls();
      },
      onChange: (listener) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
  }

  /** @throws TlsMaterialError when the texts are unusable. */
  install(material: TlsMaterial): void {
    this.#tls = this.#driver.context(material);
    this.#issuer = issuerOf(material.chain);
    this.#first.resolve();
    for (const listener of this.#listeners) listener();
  }

  issuer(): string | undefined {
    return this.#issuer;
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const onAbort = (): void => this.#first.reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await this.#first.promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }
}

/** @param chainPem Leaf first. */
function issuerOf(chainPem: string | undefined): string | undefined {
  return chainPem === undefined ? undefined : authorityKeyId(new X509Certificate(chainPem).raw);
}
