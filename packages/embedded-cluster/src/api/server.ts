/** One Kubernetes API server: storage, rules and doors put together. */
import { systemClock, type Clock, type Component, type Logger } from '@mesh/runtime';
import { AdmissionChain } from './admission.ts';
import { NamespaceLifecycle } from './admit/namespace-lifecycle.ts';
import { MASTERS_GROUP, RbacAuthorizer } from './auth/rbac.ts';
import { builtinResources } from './builtin-resources.ts';
import { Journal } from './journal.ts';
import { LocalClient } from './local-client.ts';
import type { Machinery } from './machinery.ts';
import { ApiOperations } from './operations.ts';
import { ResourceTable } from './resources.ts';
import { SchemaLibrary } from './schema-library.ts';
import { SpecialTable } from './special.ts';
import { hasReason } from './status-error.ts';
import { Store } from './store.ts';
import type { ClusterClient, UserInfo } from './types.ts';

const SYSTEM_NAMESPACES = ['kube-system', 'kube-public', 'kube-node-lease', 'default'];

export interface ApiServerOptions {
  /** Names the cluster in its kubeconfig. */
  readonly name: string;
  /** Port 0 takes a free one. */
  readonly address: { readonly host: string; readonly port: number };
  /** Keeps all state here; without it state lives in memory. */
  readonly dataFolder?: string | undefined;
  /** For in-cluster names such as `kubernetes.default.svc`; default `cluster.local`. */
  readonly clusterDomain?: string | undefined;
  /** IPv4 range of ClusterIPs in CIDR notation. */
  readonly serviceCidr: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

export class ApiServer implements Component {
  readonly name: string;
  readonly #options: ApiServerOptions;
  readonly #store = new Store();
  readonly #operations: ApiOperations;
  readonly #stop = new AsyncDisposableStack();

  constructor(options: ApiServerOptions) {
    this.#options = options;
    this.name = `apiserver ${options.name}`;
    const admission = new AdmissionChain();
    const machinery: Machinery = {
      store: this.#store,
      resources: new ResourceTable(builtinResources()),
      kinds: new SchemaLibrary(),
      admission,
      clock: options.clock ?? systemClock,
      log: options.log,
    };
    admission.add(new NamespaceLifecycle(this.#store));
    this.#operations = new ApiOperations(machinery, new RbacAuthorizer(this.#store), new SpecialTable());
  }

  async start(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { dataFolder } = this.#options;
    if (dataFolder !== undefined) {
      const journal = new Journal(dataFolder, this.#store);
      journal.open();
      this.#stop.defer(() => journal.close());
    }
    const client = this.client();
    for (const name of SYSTEM_NAMESPACES) {
      await client
        .create({ group: '', version: 'v1', plural: 'namespaces' }, { apiVersion: 'v1', kind: 'Namespace', metadata: { name } })
        .catch((error: unknown) => {
          if (!hasReason(error, 'AlreadyExists')) throw error;
        });
    }
    this.#store.sealHistory();
  }

  /** The API in this process, acting as `user`; without one as a member of system:masters. */
  client(user?: UserInfo, manager = 'embedded-cluster'): ClusterClient {
    return new LocalClient(this.#operations, {
      user: user ?? { username: 'system:apiserver', groups: [MASTERS_GROUP, 'system:authenticated'] },
      manager,
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop.disposeAsync();
  }
}
