/** The node's own objects: its Node with labels, addresses and conditions, and its heartbeat Lease. */
import { availableParallelism, totalmem } from 'node:os';
import type { Logger } from '@mesh/runtime';
import { hasReason } from '../api/status-error.ts';
import type { ClusterClient } from '../api/types.ts';
import { nowTime, RESOURCES } from '../controllers/kinds.ts';
import type { AddressBlock } from '../pod-net/address-block.ts';

const HEARTBEAT_MS = 10_000;
const LEASE_SECONDS = 40;

export interface NodeRegistrationOptions {
  readonly nodeName: string;
  readonly nodeLabels: Readonly<Record<string, string>>;
}

export interface NodeRegistrationDeps {
  readonly client: ClusterClient;
  readonly block: AddressBlock;
  readonly log: Logger;
}

export class NodeRegistration {
  readonly #options: NodeRegistrationOptions;
  readonly #deps: NodeRegistrationDeps;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(options: NodeRegistrationOptions, deps: NodeRegistrationDeps) {
    this.#options = options;
    this.#deps = deps;
  }

  get labels(): Readonly<Record<string, string>> {
    const { nodeName, nodeLabels } = this.#options;
    return {
      'kubernetes.io/arch': process.arch === 'x64' ? 'amd64' : process.arch,
      'kubernetes.io/hostname': nodeName,
      'kubernetes.io/os': 'linux',
      'node-role.kubernetes.io/control-plane': '',
      ...nodeLabels,
    };
  }

  async start(): Promise<void> {
    const { nodeName } = this.#options;
    const { client, block } = this.#deps;
    const labels = this.labels;
    const node = {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name: nodeName, labels },
      spec: { podCIDR: block.podCidr, podCIDRs: [block.podCidr], providerID: `local://${nodeName}` },
    };
    await client.create(RESOURCES.nodes, node).catch((error: unknown) => {
      if (!hasReason(error, 'AlreadyExists')) throw error;
    });
    await client.patch(RESOURCES.nodes, undefined, nodeName, {
      type: 'merge',
      body: { metadata: { labels }, spec: node.spec },
    });
    const body = { status: this.#status() };
    await client.patch(RESOURCES.nodes, undefined, nodeName, { type: 'merge', body, subresource: 'status' });
    await this.#beat();
    this.#heartbeat = setInterval(() => void this.#beat(), HEARTBEAT_MS);
    this.#heartbeat.unref();
  }

  stop(): void {
    clearInterval(this.#heartbeat);
  }

  #status(): Record<string, unknown> {
    const resources = {
      cpu: String(availableParallelism()),
      memory: `${Math.floor(totalmem() / 1024)}Ki`,
      pods: '1000',
    };
    const condition = (type: string, status: string, reason: string, message: string): object => ({
      type,
      status,
      reason,
      message,
      lastHeartbeatTime: nowTime(),
      lastTransitionTime: nowTime(),
    });
    return {
      addresses: [
        { type: 'InternalIP', address: this.#deps.block.nodeIp },
        { type: 'Hostname', address: this.#options.nodeName },
      ],
      capacity: resources,
      allocatable: resources,
      conditions: [
        condition('MemoryPressure', 'False', 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
        condition('DiskPressure', 'False', 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        condition('PIDPressure', 'False', 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        condition('Ready', 'True', 'KubeletReady', 'kubelet is posting ready status'),
      ],
      nodeInfo: {
        architecture: process.arch === 'x64' ? 'amd64' : process.arch,
        bootID: '',
        containerRuntimeVersion: 'local://1',
        kernelVersion: '',
        kubeProxyVersion: '',
        kubeletVersion: 'v1.34.0',
        machineID: '',
        operatingSystem: 'linux',
        osImage: 'local processes',
        systemUUID: '',
      },
    };
  }

  async #beat(): Promise<void> {
    const { client, log } = this.#deps;
    const { nodeName } = this.#options;
    const renewTime = new Date().toISOString().replace('Z', '000Z');
    const namespace = 'kube-node-lease';
    try {
      await client.patch(RESOURCES.leases, namespace, nodeName, { type: 'merge', body: { spec: { renewTime } } });
    } catch (error) {
      if (!hasReason(error, 'NotFound')) return log.debug('heartbeat not written', { error });
      const spec = { holderIdentity: nodeName, leaseDurationSeconds: LEASE_SECONDS, renewTime };
      const lease = {
        apiVersion: 'coordination.k8s.io/v1',
        kind: 'Lease',
        metadata: { name: nodeName, namespace },
        spec,
      };
      await client
        .create(RESOURCES.leases, lease)
        .catch((failure: unknown) => log.warn('lease not created', { error: failure }));
    }
    return undefined;
  }
}
