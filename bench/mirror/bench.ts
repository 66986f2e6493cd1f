/**
 * The mirror at scale: its real process between two Kubernetes APIs (in memory, over HTTP), ten thousand exported Services.
 *
 *   first sync    from process start until every mirror and its slice exist, with the writes that it took
 *   export        from one more export until its mirror exists
 *   flip          from a change of the Link that concerns every mirror until the last slice has it
 *   second sync   a new process against the result: until it knows everything, with the writes that it took (none)
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { ENDPOINT_SLICES, kubeConfigText, LINKS, NAMESPACES, SECRETS, SERVICES } from '@mesh/kube';
import type { EndpointSlice, Link, Service } from '@mesh/kube';
import { eventually, FakeApi, FakeApiServer } from '@mesh/kube/testing';
import { formatTable, round } from '../lib/report.ts';
import { MIRROR_DEADLINE_MS, MIRROR_NAMESPACE, MirrorProcess } from './mirror-process.ts';

export interface MirrorBenchOptions {
  readonly services: number;
  readonly say: (line: string) => void;
}

export interface MirrorBenchRow {
  readonly phase: 'first sync' | 'export' | 'flip' | 'second sync';
  readonly services: number;
  readonly ms: number;
  /** API writes to mirror objects in this phase. */
  readonly writes: number;
  /** API writes to the Link (finalizer, status) in this phase. */
  readonly link_writes: number;
  readonly cpu_ms: number;
  readonly rss_mb: number;
  readonly private_mb: number;
}

export interface MirrorBenchResult {
  readonly rows: readonly MirrorBenchRow[];
}

const NAMESPACE = MIRROR_NAMESPACE;
/** Services are spread over this many namespaces. */
const NAMESPACES_COUNT = 50;

export async function benchMirror(options: MirrorBenchOptions): Promise<MirrorBenchResult> {
  await using world = await World.create(options.services);
  const rows: MirrorBenchRow[] = [];
  const record = (row: MirrorBenchRow): void => {
    rows.push(row);
    options.say(`${row.phase}: ${row.ms} ms, ${row.writes} writes, ${row.private_mb} MB private`);
  };
  {
    await using mirror = world.startMirror();
    record(await world.measure('first sync', mirror, () => world.mirrored === options.services));
    await mirror.quiet();
    world.exportOne('extra');
    record(
      await world.measure('export', mirror, () => world.home.peek(ENDPOINT_SLICES, 'ns-0/extra-west') !== undefined),
    );
    await mirror.quiet();
    world.changeLink({ gatewayPort: '4144' });
    record(await world.measure('flip', mirror, () => world.flipped(4144)));
    await mirror.quiet();
  }
  await using again = world.startMirror();
  record(await world.measure('second sync', again, () => again.quiet()));
  return { rows };
}

export function mirrorBenchTable(result: MirrorBenchResult): string {
  return formatTable(
    ['phase', 'services', 'ms', 'writes', 'link writes', 'cpu ms', 'rss MB', 'private MB'],
    result.rows.map((row) => [
      row.phase,
      row.services,
      row.ms,
      row.writes,
      row.link_writes,
      row.cpu_ms,
      row.rss_mb,
      row.private_mb,
    ]),
  );
}

/** Both clusters' APIs. */
class World implements AsyncDisposable {
  readonly home = new FakeApi({ historyMax: 1_000 });
  readonly peer = new FakeApi({ historyMax: 1_000 });
  readonly #homeServer = new FakeApiServer(this.home);
  readonly #peerServer = new FakeApiServer(this.peer);
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'mesh-bench-mirror-'));
  readonly #services: number;

  private constructor(services: number) {
    this.#services = services;
  }

  static async create(services: number): Promise<World> {
    const world = new World(services);
    await world.#homeServer.start();
    await world.#peerServer.start();
    world.home.seed(NAMESPACES, { metadata: { name: NAMESPACE } });
    for (let index = 0; index < NAMESPACES_COUNT; index += 1)
      world.home.seed(NAMESPACES, { metadata: { name: `ns-${index}` } });
    for (let index = 0; index < services; index += 1) world.#export(`svc-${index}`, `ns-${index % NAMESPACES_COUNT}`);
    const peerConfig = kubeConfigText({
      name: 'west',
      server: world.#peerServer.url,
      caPem: undefined,
      token: 'token',
    });
    world.home.seed(SECRETS, {
      metadata: { name: 'cluster-credentials-west', namespace: NAMESPACE },
      data: { kubeconfig: Buffer.from(peerConfig).toString('base64') },
    });
    world.home.seed(LINKS, link('4143'));
    const homeConfig = kubeConfigText({
      name: 'home',
      server: world.#homeServer.url,
      caPem: undefined,
      token: 'token',
    });
    writeFileSync(path.join(world.#folder, 'kubeconfig'), homeConfig);
    return world;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#homeServer[Symbol.asyncDispose]();
    await this.#peerServer[Symbol.asyncDispose]();
    rmSync(this.#folder, { recursive: true });
  }

  exportOne(name: string): void {
    this.#export(name, 'ns-0');
  }

  changeLink(spec: Partial<Link['spec']>): void {
    const current = this.home.peek(LINKS, `${NAMESPACE}/west`);
    if (current !== undefined) this.home.seed(LINKS, { ...current, spec: { ...current.spec, ...spec } });
  }

  /** Mirrors whose slice exists. */
  get mirrored(): number {
    return this.home.peekAll(ENDPOINT_SLICES).length;
  }

  flipped(port: number): boolean {
    return this.home.peekAll(ENDPOINT_SLICES).every((slice) => slice.ports?.[0]?.port === port);
  }

  startMirror(): MirrorProcess {
    return new MirrorProcess(path.join(this.#folder, 'kubeconfig'));
  }

  async measure(
    phase: MirrorBenchRow['phase'],
    mirror: MirrorProcess,
    isDone: () => boolean | Promise<boolean | void> | void,
  ): Promise<MirrorBenchRow> {
    const from = this.home.calls.length;
    const cpuBefore = mirror.cpuMs;
    const startedMs = phase.endsWith('sync') ? mirror.startedMs : performance.now();
    await eventually(phase, async () => (await isDone()) !== false, MIRROR_DEADLINE_MS);
    const ms = performance.now() - startedMs;
    const writes = this.home.calls
      .slice(from)
      .filter(({ verb }) => ['create', 'replace', 'patch', 'delete', 'apply'].includes(verb));
    const of = (...resources: readonly string[]): number =>
      writes.filter(({ resource }) => resources.includes(resource)).length;
    const memory = mirror.memory;
    return {
      phase,
      services: this.#services,
      ms: round(ms, 0),
      writes: of('services', 'endpointslices.discovery.k8s.io'),
      link_writes: of('links.multicluster.linkerd.io'),
      cpu_ms: round(mirror.cpuMs - cpuBefore, 0),
      rss_mb: round(memory.rssMb, 1),
      private_mb: round(memory.privateMb, 1),
    };
  }

  #export(name: string, namespace: string): void {
    const labels = { app: name, 'mirror.linkerd.io/exported': 'true' };
    this.peer.seed<Service>(SERVICES, {
      metadata: { name, namespace, labels, annotations: { 'balancer.linkerd.io/failure-accrual': 'consecutive' } },
      spec: {
        clusterIP: '10.0.0.1',
        selector: { app: name },
        ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }],
      },
    });
    this.peer.seed<EndpointSlice>(ENDPOINT_SLICES, {
      metadata: { name: `${name}-x`, namespace, labels: { ...labels, 'kubernetes.io/service-name': name } },
      addressType: 'IPv4',
      endpoints: [{ addresses: ['10.1.0.1'], conditions: { ready: true } }],
      ports: [{ name: 'http', port: 8080 }],
    });
  }
}

function link(gatewayPort: string): Link {
  return {
    metadata: { name: 'west', namespace: NAMESPACE },
    spec: {
      targetClusterName: 'west',
      clusterCredentialsSecret: 'cluster-credentials-west',
      gatewayAddress: '192.0.2.1',
      gatewayPort,
      gatewayIdentity: 'linkerd-gateway.linkerd-multicluster.serviceaccount.identity.linkerd.cluster.local',
      selector: { matchLabels: { 'mirror.linkerd.io/exported': 'true' } },
    },
  };
}
