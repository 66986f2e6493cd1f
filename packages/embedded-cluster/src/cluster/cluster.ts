/**
 * One embedded cluster: API server, controllers, node, DNS and Service proxy in this process, pods as
 * child processes, on a loopback network of its own.
 */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Component, type Logger, MeshError, silentLogger, startAll } from '@mesh/runtime';
import { ApiServer, type ClusterClient, type KubeObject } from '../api/index.ts';
import type { Controller } from '../controllers/controller.ts';
import { createCronJobController } from '../controllers/cron-job.ts';
import { createDaemonSetController } from '../controllers/daemon-set.ts';
import { createDeploymentController } from '../controllers/deployment.ts';
import { createEndpointsController } from '../controllers/endpoints.ts';
import { Informer } from '../controllers/informer.ts';
import { createInformers, type Informers } from '../controllers/informers.ts';
import { createJobController } from '../controllers/job.ts';
import {
  CUSTOM_RESOURCES,
  type CustomResourceDefinition,
  namespacedResources,
} from '../controllers/namespaced-resources.ts';
import { createNamespaceContentController, createNamespaceTerminationController } from '../controllers/namespaces.ts';
import { createReplicaSetController } from '../controllers/replica-set.ts';
import { createServiceAddressController } from '../controllers/service-addresses.ts';
import { createStatefulSetController } from '../controllers/stateful-set.ts';
import { type ContainerProcess, NodeAgent } from '../node/node-agent.ts';
import type { Images } from '../node/images.ts';
import { podHandler } from '../node/node-logs.ts';
import { Reaper } from '../node/reaper.ts';
import { type AddressBlock, claimAddressBlock } from '../pod-net/address-block.ts';
import { ClusterNetwork } from '../pod-net/cluster-network.ts';
import { parseForwards } from '../pod-net/forward-zones.ts';
import { DNS_CONFIG, ensureDnsConfig } from './dns-config.ts';
import { ensureKubernetesService } from './kubernetes-service.ts';
import { Withdrawal } from './withdrawal.ts';

const API_PORT = 6443;
const DNS_PORT = 53;
const CLUSTER_DOMAIN = 'cluster.local';
/** The kubelet waits 10 s before the second restart; programs here start in a fraction of a container's time. */
const BACKOFF_FIRST_MS = 100;

export interface ClusterOptions {
  /** A DNS label; names the cluster, its context in the kubeconfig, and its node. */
  readonly name: string;
  readonly images: Images;
  /** Keeps the API's state here; without it state lives in memory. */
  readonly dataFolder?: string;
  /** Of a cluster that has stopped: this one takes its place on the network. Absent: those of the stored state, or any that are free. */
  readonly addresses?: ClusterAddresses;
  /** Becomes the node's topology labels; default `NAME-a` and `NAME`. */
  readonly zone?: string;
  readonly region?: string;
  readonly nodeLabels?: Readonly<Record<string, string>>;
  readonly clusterDomain?: string;
  /** Wait before the first restart of a container, doubled each time up to 10 s. */
  readonly backoffFirstMs?: number;
  readonly log?: Logger;
}

/** The loopback network of a cluster. */
export interface ClusterAddresses {
  readonly nodeIp: string;
  readonly podCidr: string;
  readonly serviceCidr: string;
  readonly loadBalancerCidr: string;
}

export interface Cluster extends AsyncDisposable {
  readonly name: string;
  /** YAML with one context, named as the cluster. */
  readonly kubeconfig: string;
  readonly caPem: string;
  /** In-process access as a member of system:masters. */
  readonly client: ClusterClient;
  readonly addresses: ClusterAddresses;
  /** HTTPS only: controllers and node of this cluster go on, clients of the outside do not. */
  readonly apiServer: { readonly url: string; stop(): Promise<void>; start(): Promise<void> };
  /** Where a port of a cluster address really listens: another one for ports below 1024 that this user may not bind. */
  reachablePort(port: number): number;
  /** Every running process of every pod. */
  processes(): ContainerProcess[];
  /** Signals a container's process group. @throws MeshError `no_such_container` | `not_running` */
  killContainer(namespace: string, pod: string, container: string, signal?: NodeJS.Signals): void;
  /** Ends every pod and everything else; nothing is left but the data folder. Idempotent. */
  stop(): Promise<void>;
}

/**
 * Starts a cluster and resolves when its API answers and its namespaces are there.
 *
 * @throws MeshError `bad_name` | `unsupported_platform` | `no_free_block` | `block_in_use`
 */
export async function createCluster(options: ClusterOptions): Promise<Cluster> {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(options.name)) {
    const message = `name: ${JSON.stringify(options.name)} is not a DNS label: use lower case letters, digits and '-'`;
    throw new MeshError({ code: 'bad_name', name: options.name }, message);
  }
  const cluster = new EmbeddedCluster(options);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.stop();
    throw error;
  }
  return cluster;
}

interface Parts {
  readonly block: AddressBlock;
  readonly server: ApiServer;
  readonly node: NodeAgent;
  readonly network: ClusterNetwork;
}

class EmbeddedCluster implements Cluster {
  readonly name: string;
  readonly #options: ClusterOptions;
  readonly #log: Logger;
  readonly #stack = new AsyncDisposableStack();
  readonly #stopping = new AbortController();
  #parts: Parts | undefined;
  #stopped: Promise<void> | undefined;

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.name = options.name;
    this.#log = (options.log ?? silentLogger).child({ cluster: options.name });
  }

  get kubeconfig(): string {
    return this.#started().server.kubeconfig();
  }

  get caPem(): string {
    return this.#started().server.ca;
  }

  get client(): ClusterClient {
    return this.#started().server.client();
  }

  get addresses(): ClusterAddresses {
    const { nodeIp, podCidr, serviceCidr, loadBalancerCidr } = this.#started().block;
    return { nodeIp, podCidr, serviceCidr, loadBalancerCidr };
  }

  get apiServer(): Cluster['apiServer'] {
    const { server } = this.#started();
    return { url: server.url, stop: () => server.suspend(), start: () => server.resume() };
  }

  reachablePort(port: number): number {
    return reachablePort(this.#started().block, port);
  }

  processes(): ContainerProcess[] {
    return this.#started().node.processes();
  }

  killContainer(namespace: string, pod: string, container: string, signal: NodeJS.Signals = 'SIGKILL'): void {
    this.#started().node.killContainer(namespace, pod, container, signal);
  }

  async start(): Promise<void> {
    const { dataFolder, name, addresses } = this.#options;
    const wanted = addresses === undefined ? rememberedBlock(dataFolder) : blockOf(addresses);
    const block = this.#stack.use(await claimAddressBlock(wanted));
    await rememberBlock(dataFolder, block.number);
    const folder = mkdtempSync(join(runtimeFolder(), `mesh-${name}-`));
    const reaper = new Reaper(folder);
    await this.#start(reaper);
    const network = new ClusterNetwork(
      {
        nodeIp: block.nodeIp,
        dnsIp: block.dnsIp,
        dnsPort: DNS_PORT + block.privilegedOffset,
        privilegedOffset: block.privilegedOffset,
        clusterDomain: this.#domain,
      },
      this.#log,
    );
    // The thread starts while the API server does.
    const networkStarted = this.#start(network);
    networkStarted.catch(() => undefined);
    const kubernetesIp = block.services.allocate();
    const server = new ApiServer({
      name,
      address: { host: block.nodeIp, port: API_PORT },
      dataFolder,
      clusterDomain: this.#domain,
      serviceCidr: block.serviceCidr,
      certificateNames: { ip: [kubernetesIp] },
      servicePort: (port) => reachablePort(block, port),
      log: this.#log,
    });
    await this.#start(server);
    const client = server.client();
    const informers = createInformers(client, this.#log);
    const definitions = new Informer<CustomResourceDefinition>(client, CUSTOM_RESOURCES, this.#log);
    await Promise.all([...Object.values(informers), definitions].map((part: Component) => this.#start(part)));
    await networkStarted;
    this.#feed(informers, network);
    await ensureKubernetesService(client, kubernetesIp, { address: block.nodeIp, port: server.port });
    await ensureDnsConfig(client, this.#domain);
    const deps = { client, informers, log: this.#log };
    const namespaceDeps = { ...deps, caPem: server.ca, namespacedResources: () => namespacedResources(definitions) };
    const controllers: Controller[] = [
      createNamespaceContentController(namespaceDeps),
      createNamespaceTerminationController(namespaceDeps),
      createServiceAddressController(deps, block.loadBalancers),
      createEndpointsController(deps),
      createReplicaSetController(deps),
      createDeploymentController(deps),
      createStatefulSetController(deps),
      createDaemonSetController(deps),
      createJobController(deps),
      createCronJobController(deps),
    ];
    this.#stack.use(await startAll(controllers, this.#stopping.signal));
    const withdrawal = new Withdrawal(informers.endpointSlices, network);
    const node = new NodeAgent(this.#nodeOptions(folder, { address: block.dnsIp, port: network.dnsPort }), {
      ...deps,
      block,
      reaper,
      pods: informers.pods,
      services: informers.services,
      configMaps: informers.configMaps,
      secrets: informers.secrets,
      withdrawn: (podIp, timeoutMs) => withdrawal.of(podIp, timeoutMs),
    });
    await this.#start(node);
    // Without it the first pod would be refused.
    await present(informers.serviceAccounts, 'default/default');
    server.setPodHandler(podHandler(node));
    this.#parts = { block, server, node, network };
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#stop();
    return this.#stopped;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }

  async #stop(): Promise<void> {
    this.#stopping.abort();
    await this.#stack.disposeAsync();
  }

  get #domain(): string {
    return this.#options.clusterDomain ?? CLUSTER_DOMAIN;
  }

  #nodeOptions(folder: string, dns: { address: string; port: number }): ConstructorParameters<typeof NodeAgent>[0] {
    const {
      name,
      zone = `${name}-a`,
      region = name,
      nodeLabels,
      images,
      backoffFirstMs = BACKOFF_FIRST_MS,
    } = this.#options;
    return {
      nodeName: `${name}-node`,
      nodeLabels: { 'topology.kubernetes.io/zone': zone, 'topology.kubernetes.io/region': region, ...nodeLabels },
      clusterDomain: this.#domain,
      dns,
      images,
      folder,
      backoffFirstMs,
    };
  }

  /** Names and Service addresses follow the caches. */
  #feed(informers: Informers, network: ClusterNetwork): void {
    informers.namespaces.onChange((namespace, before) => {
      if (namespace !== undefined && before !== undefined) return;
      network.setNamespaces([...informers.namespaces.values()].map((each) => each.metadata.name));
    });
    informers.services.onChange((service, _before, key) => {
      if (service === undefined) network.removeService(key);
      else network.applyService(service);
    });
    informers.endpointSlices.onChange((slice, before) => {
      const moved = before !== undefined && serviceOf(before) !== (slice === undefined ? undefined : serviceOf(slice));
      if (moved) network.removeSlice(before);
      if (slice !== undefined) network.applySlice(slice);
    });
    informers.configMaps.onChange((configMap, _before, key) => {
      if (key === `${DNS_CONFIG.namespace}/${DNS_CONFIG.name}`)
        network.setForwards(parseForwards(configMap?.data?.[DNS_CONFIG.key] ?? ''));
    });
  }

  async #start(component: Component): Promise<void> {
    this.#stopping.signal.throwIfAborted();
    this.#stack.use(component);
    await component.start(this.#stopping.signal);
  }

  #started(): Parts {
    if (this.#parts === undefined) throw new Error(`cluster ${this.name} is not running`);
    return this.#parts;
  }
}

function present<T extends KubeObject>(informer: Informer<T>, wanted: string): Promise<void> {
  return new Promise((resolve) => {
    informer.onChange((object, _before, key) => {
      if (key === wanted && object !== undefined) resolve();
    });
  });
}

/** Ports below 1024 are elsewhere for users who may not bind them. */
function reachablePort(block: AddressBlock, port: number): number {
  return port < 1024 ? port + block.privilegedOffset : port;
}

function serviceOf(slice: { metadata: { labels?: Record<string, string> } }): string | undefined {
  return slice.metadata.labels?.['kubernetes.io/service-name'];
}

/** Small and private to the user where the system has such a folder. */
function runtimeFolder(): string {
  const folder = process.env['XDG_RUNTIME_DIR'];
  return folder !== undefined && existsSync(folder) ? folder : tmpdir();
}

function blockOf({ nodeIp }: ClusterAddresses): number {
  return Number(nodeIp.split('.')[1]);
}

function rememberedBlock(dataFolder: string | undefined): number | undefined {
  const path = dataFolder === undefined ? undefined : join(dataFolder, 'network.json');
  if (path === undefined || !existsSync(path)) return undefined;
  return (JSON.parse(readFileSync(path, 'utf8')) as { block: number }).block;
}

async function rememberBlock(dataFolder: string | undefined, block: number): Promise<void> {
  if (dataFolder === undefined) return;
  await mkdir(dataFolder, { recursive: true });
  writeFileSync(join(dataFolder, 'network.json'), JSON.stringify({ block }));
}
