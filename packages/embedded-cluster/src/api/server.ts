/** One Kubernetes API server: storage, rules and doors put together. */
import { messageOf, systemClock, type Clock, type Component, type Logger } from '@mesh/runtime';
import { AdmissionChain } from './admission.ts';
import { NamespaceLifecycle } from './admit/namespace-lifecycle.ts';
import { PodDefaults } from './admit/pod-defaults.ts';
import { ServiceAccountAdmission } from './admit/service-account.ts';
import { WebhookCaller } from './admit/webhook-call.ts';
import { Webhooks } from './admit/webhooks.ts';
import { Authenticator } from './auth/authenticate.ts';
import { EscalationCheck } from './auth/escalation.ts';
import { bootstrapRoles, CLUSTER_ADMINS_GROUP } from './auth/bootstrap-roles.ts';
import { MASTERS_GROUP, RbacAuthorizer } from './auth/rbac.ts';
import { registerReviews } from './auth/reviews.ts';
import { ServiceAccountTokens } from './auth/service-account-tokens.ts';
import { builtinResources } from './builtin-resources.ts';
import { startApiServices } from './control/api-services.ts';
import { CustomResources } from './control/custom-resources.ts';
import { GarbageCollector } from './control/garbage-collector.ts';
import { startRoleAggregation } from './control/role-aggregation.ts';
import { startTokenSecrets } from './control/token-secrets.ts';
import { Credentials, type CertificatePair } from './credentials.ts';
import { HttpsDoor } from './http/https-door.ts';
import { OpenApiDocuments } from './http/openapi.ts';
import { Journal } from './journal.ts';
import { kubeconfigYaml } from './kubeconfig.ts';
import { LocalClient } from './local-client.ts';
import type { Machinery } from './machinery.ts';
import { ApiOperations } from './operations.ts';
import type { PodHandler } from './pod-handler.ts';
import { ResourceTable, splitGroupVersion } from './resources.ts';
import { SchemaLibrary } from './schema-library.ts';
import { ServiceAddresses } from './service-addresses.ts';
import { SpecialTable } from './special.ts';
import { hasReason } from './status-error.ts';
import { Store } from './store.ts';
import { registerSubresources } from './subresources.ts';
import type { ClusterClient, KubeObject, UserInfo } from './types.ts';

const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease', 'default'];
const DEFAULT_CLUSTER_DOMAIN = 'cluster.local';

export interface ApiServerOptions {
  /** Names the cluster in its kubeconfig. */
  readonly name: string;
  /** Port 0 takes a free one; a resumed server keeps the port that it had. */
  readonly address: { readonly host: string; readonly port: number };
  /** Keeps all state here; without it state lives in memory. */
  readonly dataFolder?: string | undefined;
  /** For in-cluster names such as `kubernetes.default.svc`; default `cluster.local`. */
  readonly clusterDomain?: string | undefined;
  /** IPv4 range of ClusterIPs in CIDR notation; its first address is the API server's own Service. */
  readonly serviceCidr: string;
  /** More names and addresses for the serving certificate. */
  readonly certificateNames?: { readonly dns?: readonly string[]; readonly ip?: readonly string[] } | undefined;
  /** Where a port of a Service really listens, for webhooks: users without privileges can't have ports below 1024. */
  readonly servicePort?: ((port: number) => number) | undefined;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

interface Running {
  readonly credentials: Credentials;
  readonly serving: CertificatePair;
  readonly admin: CertificatePair;
  readonly tokens: ServiceAccountTokens;
}

export class ApiServer implements Component {
  readonly name: string;
  readonly #options: ApiServerOptions;
  readonly #store = new Store();
  readonly #machinery: Machinery;
  readonly #authorizer: RbacAuthorizer;
  readonly #special = new SpecialTable();
  readonly #operations: ApiOperations;
  readonly #openApi: OpenApiDocuments;
  readonly #addresses: ServiceAddresses;
  readonly #webhookCaller: WebhookCaller;
  readonly #openWatches = new Set<() => void>();
  readonly #stop = new AsyncDisposableStack();
  #running: Running | undefined;
  #door: HttpsDoor | undefined;
  #port = 0;
  #podHandler: PodHandler | undefined;

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.name = `apiserver ${options.name}`;
    this.#webhookCaller = new WebhookCaller(this.#store, options.servicePort ?? ((port) => port));
    const admission = new AdmissionChain();
    this.#addresses = new ServiceAddresses(this.#store, options.serviceCidr);
    this.#machinery = {
      store: this.#store,
      resources: new ResourceTable(builtinResources()),
      kinds: new SchemaLibrary(),
      admission,
      allocate: (resource, object, live) => this.#addresses.assign(resource, object, live),
      clock: options.clock ?? systemClock,
      log: options.log,
    };
    this.#authorizer = new RbacAuthorizer(this.#store);
    admission.add(
      new NamespaceLifecycle(this.#store),
      new EscalationCheck(this.#authorizer, this.#store),
      new ServiceAccountAdmission(this.#store),
      new PodDefaults(this.#store),
      new Webhooks(this.#machinery, this.#webhookCaller),
    );
    this.#operations = new ApiOperations(this.#machinery, this.#authorizer, this.#special);
    this.#openApi = new OpenApiDocuments(this.#machinery);
    registerSubresources(this.#special, this.#machinery);
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { dataFolder, name, log } = this.#options;
    const credentials = await Credentials.open(name, dataFolder);
    const tokens = new ServiceAccountTokens({
      key: credentials.tokenKey,
      issuer: `https://kubernetes.default.svc.${this.#clusterDomain}`,
      store: this.#store,
      clock: this.#machinery.clock,
    });
    registerReviews(this.#special, { machinery: this.#machinery, authorizer: this.#authorizer, tokens });
    if (dataFolder !== undefined) {
      const journal = new Journal(dataFolder, this.#store);
      journal.open();
      this.#stop.defer(() => journal.close());
    }
    const definitions = new CustomResources(this.#machinery);
    const collector = new GarbageCollector(this.#machinery);
    definitions.start();
    await this.#bootstrap();
    collector.start();
    this.#stop.defer(() => definitions.stop());
    this.#stop.defer(() => collector.stop());
    this.#stop.defer(() => this.#webhookCaller.close());
    this.#stop.defer(startRoleAggregation(this.#store));
    this.#stop.defer(startApiServices(this.#store, this.#machinery.resources, this.#machinery.clock));
    this.#stop.defer(
      startTokenSecrets({
        store: this.#store,
        client: this.client(undefined, 'kube-controller-manager'),
        tokens,
        caPem: credentials.caPem,
        log,
      }),
    );
    this.#store.sealHistory();
    const [serving, admin] = await Promise.all([
      this.#servingCertificate(credentials),
      credentials.client('kubernetes-admin', [CLUSTER_ADMINS_GROUP]),
    ]);
    this.#running = { credentials, serving, admin, tokens };
    this.#port = this.#options.address.port;
    await this.resume();
    log.info('API server ready', { url: this.url });
  }

  /** Closes the HTTPS door as a crash would; state stays. In-process clients go on. */
  async suspend(): Promise<void> {
    const door = this.#door;
    this.#door = undefined;
    await door?.destroy();
  }

  /** Opens the door again on the same port. */
  async resume(): Promise<void> {
    if (this.#door !== undefined) return;
    const { credentials, serving, tokens } = this.#started();
    const door = new HttpsDoor(
      { host: this.#options.address.host, port: this.#port, serving, clientCaPem: credentials.caPem },
      {
        operations: this.#operations,
        authenticator: new Authenticator(tokens, this.#authorizer),
        authorizer: this.#authorizer,
        tokens,
        openApi: this.#openApi,
        podHandler: () => this.#podHandler,
        openWatches: this.#openWatches,
      },
    );
    this.#port = await door.listen();
    this.#door = door;
  }

  /** The API in this process, acting as `user`; without one as a member of system:masters. */
  client(user?: UserInfo, manager = 'embedded-cluster'): ClusterClient {
    return new LocalClient(this.#operations, {
      user: user ?? { username: 'system:apiserver', groups: [MASTERS_GROUP, 'system:authenticated'] },
      manager,
    });
  }

  /** Serves logs from now on; undefined takes the node away. */
  setPodHandler(handler: PodHandler | undefined): void {
    this.#podHandler = handler;
  }

  /** `https://HOST:PORT`. */
  get url(): string {
    return `https://${this.#options.address.host}:${this.#port}`;
  }

  /** The ClusterIP of the Service `default/kubernetes`: the first address of the service range. */
  get serviceIp(): string {
    return this.#addresses.apiServerIp;
  }

  get port(): number {
    return this.#port;
  }

  /** The CA that signed the serving certificate, PEM. */
  get ca(): string {
    return this.#started().credentials.caPem;
  }

  /** A kubeconfig in YAML with one context, named as the cluster, for its administrator. */
  kubeconfig(_user: 'admin' = 'admin'): string {
    const { credentials, admin } = this.#started();
    return kubeconfigYaml({ cluster: this.#options.name, server: this.url, caPem: credentials.caPem, ...admin });
  }

  /** A client certificate of this cluster's CA, for tests and for nodes. */
  clientCertificate(user: string, groups: readonly string[]): Promise<CertificatePair> {
    return this.#started().credentials.client(user, groups);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const door = this.#door;
    this.#door = undefined;
    await door?.close();
    await this.#stop.disposeAsync();
  }

  get #clusterDomain(): string {
    return this.#options.clusterDomain ?? DEFAULT_CLUSTER_DOMAIN;
  }

  #started(): Running {
    if (this.#running === undefined) throw new Error(`${this.name} is not started`);
    return this.#running;
  }

  #servingCertificate(credentials: Credentials): Promise<CertificatePair> {
    const { address, certificateNames } = this.#options;
    const base = [
      'kubernetes',
      'kubernetes.default',
      'kubernetes.default.svc',
      `kubernetes.default.svc.${this.#clusterDomain}`,
      'localhost',
    ];
    const ips = new Set([
      address.host === '0.0.0.0' ? '127.0.0.1' : address.host,
      '127.0.0.1',
      ...(certificateNames?.ip ?? []),
    ]);
    return credentials.serving([...base, ...(certificateNames?.dns ?? [])], [...ips]);
  }

  /** Namespaces and roles that every cluster has; what exists stays as it is. */
  async #bootstrap(): Promise<void> {
    for (const name of SYSTEM_NAMESPACES)
      await this.#ensure({ apiVersion: 'v1', kind: 'Namespace', metadata: { name } });
    for (const object of bootstrapRoles()) await this.#ensure(object);
  }

  async #ensure(object: KubeObject): Promise<void> {
    const { group, version } = splitGroupVersion(object.apiVersion);
    const resource = this.#machinery.resources.findKind(object.apiVersion, object.kind);
    if (resource === undefined) throw new Error(`no resource for ${object.apiVersion} ${object.kind}`);
    try {
      await this.client(undefined, 'kube-apiserver').create({ group, version, plural: resource.plural }, object);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists'))
        throw new Error(`bootstrap of ${object.kind} ${object.metadata.name}: ${messageOf(error)}`, { cause: error });
    }
  }
}
