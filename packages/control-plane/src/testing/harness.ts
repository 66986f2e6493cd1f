/** Runs roles in process against an API in memory, and calls them as proxies do. */
import { GrpcChannel, grpcMethod, NO_STREAM_LIMITS, silentObserver, Watch } from '@mesh/control-client';
import type { ChannelSecurity, GrpcMethod, Resolver } from '@mesh/control-client';
import { TOKEN_REVIEWS } from '@mesh/kube';
import type { KubeClient, KubeObject, TokenReview } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import { createNodeDriver } from '@mesh/net';
import { destination, identity, inbound, outbound } from '@mesh/proxy-api';
import { silentLogger, systemClock } from '@mesh/runtime';
import type { Clock } from '@mesh/runtime';

import type { RoleDeps } from '../role.ts';

export const CERTIFY = grpcMethod(identity.IdentityDefinition, identity.IdentityDefinition.methods.certify);
export const GET = grpcMethod(destination.DestinationDefinition, destination.DestinationDefinition.methods.get);
export const GET_PROFILE = grpcMethod(
  destination.DestinationDefinition,
  destination.DestinationDefinition.methods.getProfile,
);
export const WATCH_PORT = grpcMethod(
  inbound.InboundServerPoliciesDefinition,
  inbound.InboundServerPoliciesDefinition.methods.watchPort,
);
export const WATCH = grpcMethod(outbound.OutboundPoliciesDefinition, outbound.OutboundPoliciesDefinition.methods.watch);

/** An API whose TokenReview knows tokens of the form `<namespace>:<service account>`. */
export class FakeCluster {
  readonly api = new FakeApi();
  readonly reviewed: TokenReview[] = [];
  beforeReview: () => Promise<void> = () => Promise.resolve();

  client(): KubeClient {
    const inner = this.api.client();
    const beforeReview = (): Promise<void> => this.beforeReview();
    const review = (object: KubeObject): TokenReview => {
      const { spec } = object as TokenReview;
      this.reviewed.push(object as TokenReview);
      const [namespace, account] = spec.token.split(':');
      return account === undefined
        ? { ...object, spec, status: { authenticated: false, error: 'unknown token' } }
        : {
            ...object,
            spec,
            status: {
              authenticated: true,
              audiences: spec.audiences ?? [],
              user: { username: `system:serviceaccount:${namespace}:${account}`, uid: 'uid-1' },
            },
          };
    };
    return new Proxy(inner, {
      get(target, property) {
        if (property === 'create') {
          return (kind: { readonly kind: string }, object: KubeObject, options: unknown) =>
            kind.kind === TOKEN_REVIEWS.kind
              ? beforeReview().then(() => review(object))
              : target.create(kind as never, object, options as never);
        }
        const value: unknown = Reflect.get(target, property);
        return typeof value === 'function' ? (value.bind(target) as unknown) : value;
      },
    });
  }

  deps(): RoleDeps {
    return { client: this.client(), clock: hastyClock, logger: silentLogger, logControl: { level: 'off' }, resolve };
  }
}

/** Real time, but intervals are a twentieth: reloads and retries come within milliseconds. */
export const hastyClock: Clock = {
  ...systemClock,
  after: (delayMs, callback) => systemClock.after(delayMs / 20, callback),
};

/** Every name is this machine. */
const resolve: Resolver = () => Promise.resolve(['127.0.0.1']);

export const COMMON = {
  logLevel: 'off',
  logFormat: 'json',
  admin: { host: '127.0.0.1', port: 0 },
  controlPlaneNamespace: 'linkerd',
  clusterDomain: 'cluster.local',
  trustDomain: 'cluster.local',
  podName: '',
} as const;

export const PLAINTEXT_GRPC = { grpc: { host: '127.0.0.1', port: 0 }, plaintext: true } as const;

export const UNUSED_IDENTITY = { identityAddress: '', identityName: '', tokenFile: '', ownName: '' } as const;

export function channelTo(port: number, security: ChannelSecurity = { kind: 'plaintext' }): GrpcChannel {
  return new GrpcChannel(
    { target: { host: 'control-plane.example', port }, security, backoff: { minMs: 5, maxMs: 50, jitterRatio: 0 } },
    {
      driver: createNodeDriver(),
      clock: systemClock,
      resolve,
      log: silentLogger,
      observer: silentObserver,
    },
  );
}

/** Collects the messages of a server stream, dialled again when it breaks. */
export class Stream<Request, Response> implements Disposable {
  readonly messages: Response[] = [];
  terminal: number | undefined;
  interruptions = 0;
  readonly #watch: Watch<Request, Response>;

  constructor(channel: GrpcChannel, method: GrpcMethod<Request, Response>, request: Request) {
    this.#watch = new Watch(
      {
        channel,
        method,
        request,
        terminal: new Set([3, 5, 9]),
        limits: NO_STREAM_LIMITS,
        backoff: { minMs: 5, maxMs: 50, jitterRatio: 0 },
        clock: systemClock,
      },
      {
        opened: () => undefined,
        message: (message) => void this.messages.push(message),
        terminal: (status) => {
          this.terminal = status.code;
        },
        interrupted: () => {
          this.interruptions += 1;
        },
      },
    );
    this.#watch.start();
  }

  [Symbol.dispose](): void {
    this.#watch.stop();
  }
}
