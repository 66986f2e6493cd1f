/** One gateway with its cluster's API and discovery faked, on loopback. */
import { SERVICES } from '@mesh/kube';
import type { ServiceSpec } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import type { Endpoint, InboundPolicy } from '@mesh/model';
import { createNodeDriver } from '@mesh/net';
import type { Address } from '@mesh/net';
import { silentLogger, systemClock } from '@mesh/runtime';
import { identityName, meshedEndpoint, TestAnchor, TestProxy } from '../../proxy/test/harness.ts';

import {
  endpoint,
  endpointSet,
  FakeDiscovery,
  FakeEndpoints,
  FakeIdentity,
  FakeMetrics,
  FakeWatched,
  inboundPolicy,
  meshTls,
} from '../../proxy/src/testing/fakes.ts';
import { Gateway } from '../src/app.ts';
import type { GatewayDeps, GatewayOptions } from '../src/app.ts';

export const AUTHORITY = 'catalog.shop.svc.cluster.local:80';
export const GATEWAY_ID = identityName('gateway');
export const ANY_MESHED = inboundPolicy({ authorizations: [meshTls([], [''])] });

/** One gateway with its cluster. */
export class TestGateway implements AsyncDisposable {
  readonly api = new FakeApi();
  readonly metrics = new FakeMetrics();
  readonly endpoints = new FakeEndpoints();
  readonly discovery = new FakeDiscovery();
  readonly policy = new FakeWatched<InboundPolicy>(ANY_MESHED);
  readonly identity: FakeIdentity;
  readonly gateway: Gateway;
  readonly #driver = createNodeDriver();
  #issuer: string | undefined;

  constructor(ip: string, deps: Partial<GatewayDeps> = {}, options: Partial<GatewayOptions> = {}) {
    this.identity = new FakeIdentity(this.#driver, GATEWAY_ID);
    this.gateway = new Gateway(
      {
        listen: { ip, port: 0 },
        reusePort: false,
        ports: { probe: { ip, port: 0, path: '/ready' }, admin: { ip, port: 0 } },
        namespace: 'linkerd-multicluster',
        clusterName: 'west',
        admission: 'auto',
        connectionsPerClientMax: 10_000,
        trustDomain: 'cluster.local',
        peerTrustDomains: [],
        clusterDomain: 'cluster.local',
        shutdownGraceMs: 2000,
        lingerMs: 100,
        ...options,
      },
      {
        driver: this.#driver,
        clock: systemClock,
        logger: silentLogger,
        client: this.api.client(),
        identity: this.identity,
        ownIssuer: () => this.#issuer,
        identityComponent: {
          name: 'identity',
          start: () => Promise.resolve(),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        },
        endpoints: this.endpoints,
        policy: this.policy,
        servicePolicies: this.discovery,
        metrics: this.metrics,
        exposeMetrics: () => 'metrics\n',
        ...deps,
      },
    );
  }

  export(
    name = 'catalog',
    labels: Readonly<Record<string, string>> = { 'mirror.linkerd.io/exported': 'true' },
    port = 80,
    spec: ServiceSpec = {},
  ): void {
    this.api.seed(SERVICES, { metadata: { name, namespace: 'shop', labels }, spec: { ...spec, ports: [{ port }] } });
  }

  /** @param anchor Signs its certificate. @param trust Whose clients it takes. */
  async start(anchor: TestAnchor, trust: readonly TestAnchor[] = [anchor]): Promise<this> {
    this.#issuer = anchor.keyId;
    this.identity.install(await anchor.material({ dns: [GATEWAY_ID] }, trust));
    await this.gateway.start(AbortSignal.timeout(5000));
    return this;
  }

  get traffic(): Address {
    return this.gateway.addresses.traffic;
  }

  /** Where requests to the exported Service end. */
  serve(server: TestProxy, port: number, changes: Partial<Endpoint> = {}): void {
    this.serveAll(meshedEndpoint(server, port, changes));
  }

  serveAll(...endpoints: readonly Endpoint[]): void {
    this.endpoints.watch(AUTHORITY).set(endpointSet(...endpoints));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
  }
}

/** A meshed client, the gateway that exports `catalog`, and the meshed server behind it. */
export interface Home extends AsyncDisposable {
  readonly anchor: TestAnchor;
  readonly client: TestProxy;
  readonly server: TestProxy;
  readonly gateway: TestGateway;
}

/** @param network The first three numbers of the loopback addresses: `127.0.41`. */
export async function startHome(network: string): Promise<Home> {
  const anchor = await TestAnchor.create('root');
  const client = await new TestProxy(`${network}.1`, 'web').start(anchor);
  const server = await new TestProxy(`${network}.2`, 'catalog').start(anchor);
  const gateway = new TestGateway(`${network}.3`);
  gateway.export();
  await gateway.start(anchor);
  routeThrough(client, gateway);
  return {
    anchor,
    client,
    server,
    gateway,
    async [Symbol.asyncDispose]() {
      await gateway[Symbol.asyncDispose]();
      await client[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Sends what the client's program asks through the gateway, as a mirror's endpoint does. */
export function routeThrough(
  client: TestProxy,
  gateway: TestGateway,
  authority = AUTHORITY,
  changes: Partial<Endpoint> = {},
): void {
  client.routeTo(
    'catalog-west.shop.svc.cluster.local:80',
    endpoint(gateway.traffic, {
      tls: { name: GATEWAY_ID, serverName: GATEWAY_ID },
      authorityOverride: authority,
      ...changes,
    }),
  );
}
