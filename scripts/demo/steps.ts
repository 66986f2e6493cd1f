/** The demo's story, step by step. Each step does one thing that a person could do by hand, and proves that it worked. */
import { LINKS } from '@mesh/kube';
import { createTrust, installMesh, linkClusters, MC_NAMESPACE } from '../home/install-mesh.ts';
import type { HomeCluster } from '../home/home.ts';
import { rolloutDone } from '../home/rollout.ts';
import { deployShop, killWorkload, labelService, scale, serviceExists, SHOP, startLoad } from '../home/shop.ts';
import { isOk } from '../home/traffic.ts';
import type { RequestRecord } from '../home/traffic.ts';
import { pause, until } from '../home/wait.ts';
import { failoverOutcome } from './accounting.ts';
import type { DemoState } from './state.ts';
import { seenIdentities } from './identities.ts';

export interface Step {
  readonly name: string;
  readonly title: string;
  /** Resolves with what was seen; throws what went wrong. */
  readonly run: (state: DemoState) => Promise<string>;
}

const RATE = 20;
/** How long a new state is watched before the next step. */
const WATCH_MS = 1200;

export const STEPS: readonly Step[] = [
  { name: 'clusters', title: 'clusters east and west come up', run: bringUp },
  { name: 'install', title: 'the mesh in both, under one trust anchor', run: install },
  { name: 'shop', title: 'a shop of four services, deployed and injected', run: shop },
  { name: 'link', title: 'linked both ways through the gateways', run: link },
  { name: 'export', title: 'west exports catalog; catalog-west appears in east', run: exportCatalog },
  { name: 'cross', title: 'requests cross from east to west', run: cross },
  { name: 'federate', title: 'catalog becomes active-active in both clusters', run: federate },
  { name: 'failover', title: "east's catalog is killed; west answers", run: failover },
  { name: 'home', title: "east's catalog is back; traffic comes home", run: comeHome },
  { name: 'gateway-down', title: "west's gateway dies; home traffic does not notice", run: gatewayDown },
  { name: 'gateway-up', title: "west's gateway is back; requests cross again", run: gatewayUp },
];

async function bringUp(state: DemoState): Promise<string> {
  const home = await state.start();
  return home.clusters.map((cluster) => `${cluster.name} ${cluster.access.server}`).join(', ');
}

async function install(state: DemoState): Promise<string> {
  const trust = await createTrust(state.home);
  await both(state, (cluster) => installMesh(cluster, trust.get(cluster.name) ?? [], { signal: state.signal }));
  return 'identity, destination, policy, injector, gateway and mirror are available';
}

async function shop(state: DemoState): Promise<string> {
  await both(state, (cluster) => deployShop(cluster, state.signal));
  await startLoad(
    state.east,
    { name: 'load', targets: { home: 'http://web/', west: 'http://web/browse?store=west' }, rate: RATE },
    state.log,
    state.signal,
    state.lost,
  );
  // The other store's catalog does not exist yet, so those requests fail until it is exported.
  state.includeWest = state.accounting.exclude('west', 0);
  const first = await firstSuccess(state, { target: 'home', fromMs: 0 });
  return `web -> catalog -> pricing, web -> cart; the front page answered in ${first.ms} ms`;
}

async function link(state: DemoState): Promise<string> {
  await Promise.all([
    linkClusters(state.east, state.west, state.signal),
    linkClusters(state.west, state.east, state.signal),
  ]);
  return 'both gateways answer probes';
}

async function exportCatalog(state: DemoState): Promise<string> {
  state.exportedAt = Date.now();
  await labelService(state.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(state.east, 'catalog-west', true, state.signal);
  const ms = Date.now() - state.exportedAt;
  if (ms > 1000) throw new Error(`catalog-west took ${ms} ms to appear; the goal is 1000`);
  return `catalog-west appeared after ${ms} ms`;
}

async function cross(state: DemoState): Promise<string> {
  const first = await firstSuccess(state, { target: 'west', fromMs: state.exportedAt });
  const ms = Math.round(first.at + first.ms - state.exportedAt);
  state.includeWest?.(first.at);
  const since = first.at;
  await pause(WATCH_MS, state.signal);
  const records = state.log.select({ targets: ['west'], fromMs: since });
  mustAllSucceed(records, 'crossing requests');
  if (records.some((record) => record.cluster !== 'west'))
    throw new Error('a crossing request was not answered by west');
  state.identities = await seenIdentities(state, records.at(-1));
  if (ms > 2000) throw new Error(`the first crossing request took ${ms} ms after the export; the goal is 2000`);
  return `first answer ${ms} ms after the export; ${records.length} requests, none failed`;
}

async function federate(state: DemoState): Promise<string> {
  const startedAt = Date.now();
  await both(state, (cluster) => labelService(cluster, 'catalog', { 'mirror.linkerd.io/federated': 'member' }));
  await both(state, (cluster) => serviceExists(cluster, 'catalog-federated', true, state.signal));
  const ms = Date.now() - startedAt;
  await startLoad(
    state.east,
    { name: 'load-federated', targets: { federated: 'http://web/browse?store=federated' }, rate: RATE },
    state.log,
    state.signal,
    state.lost,
  );
  const first = await firstSuccess(state, { target: 'federated', fromMs: startedAt });
  await pause(WATCH_MS, state.signal);
  const records = state.log.select({ targets: ['federated'], fromMs: first.at });
  mustAllSucceed(records, 'requests to catalog-federated');
  const athome = records.filter((record) => record.cluster === 'east').length;
  return `catalog-federated appeared after ${ms} ms; ${athome} of ${records.length} requests stayed at home`;
}

async function failover(state: DemoState): Promise<string> {
  // Whoever asks for the local catalog by name has none from here on; only the active-active name has another.
  const excludedFrom = Date.now();
  state.includeHome = state.accounting.exclude('home', excludedFrom);
  const killedAt = await killWorkload(state.east, SHOP, 'catalog', 'app=catalog');
  await until(
    'west to answer for catalog-federated',
    () => federatedFrom(state, killedAt).some((record) => isOk(record) && record.cluster === 'west'),
    {
      timeoutMs: 10_000,
      signal: state.signal,
    },
  );
  await pause(2 * WATCH_MS, state.signal);
  const records = federatedFrom(state, 0);
  const outcome = failoverOutcome(records, killedAt, 'west');
  state.failover = { ...state.failover, ...outcome };
  const later = records.filter((record) => record.at >= killedAt + 1000);
  const good = later.filter(isOk).length;
  if (good < later.length * 0.99)
    throw new Error(`only ${good} of ${later.length} requests succeeded 1 s after the kill`);
  if (outcome.failed_during > outcome.in_flight) {
    throw new Error(
      `${outcome.failed_during} requests failed, but only ${outcome.in_flight} were under way at the kill${errorsOf(records, killedAt)}`,
    );
  }
  return `west took over in ${outcome.ms_to_recover} ms; ${outcome.failed_during} requests failed (${outcome.in_flight} were under way)`;
}

async function comeHome(state: DemoState): Promise<string> {
  await scale(state.east, SHOP, 'catalog', 1);
  await rolloutDone(state.east.client, SHOP, ['catalog'], state.signal);
  const readyAt = Date.now();
  const first = await until(
    'catalog-federated to be answered by east again',
    () =>
      federatedFrom(state, 0).find(
        (record) => record.at + record.ms >= readyAt - 1000 && isOk(record) && record.cluster === 'east',
      ),
    { timeoutMs: 15_000, signal: state.signal },
  );
  const homeFirst = await firstSuccess(state, { target: 'home', fromMs: readyAt });
  state.includeHome?.(homeFirst.at);
  await pause(WATCH_MS, state.signal);
  const msToReturn = Math.max(0, Math.round(first.at + first.ms - readyAt));
  state.failover = { ...state.failover, ms_to_return: msToReturn };
  const records = federatedFrom(state, readyAt + 500);
  mustAllSucceed(federatedFrom(state, readyAt), 'requests to catalog-federated');
  const athome = records.filter((record) => record.cluster === 'east').length;
  if (athome < records.length * 0.95) throw new Error(`only ${athome} of ${records.length} requests came home`);
  return `east answered ${msToReturn} ms after it was ready; ${athome} of ${records.length} requests at home`;
}

async function gatewayDown(state: DemoState): Promise<string> {
  state.includeWest = state.accounting.exclude('west');
  const killedAt = await killWorkload(state.west, MC_NAMESPACE, 'linkerd-gateway', 'app=linkerd-gateway');
  const noticed = await gatewayAlive(state.east, 'west', false, state.signal);
  await pause(WATCH_MS, state.signal);
  const records = state.log.select({ targets: ['home', 'federated'], fromMs: killedAt });
  mustAllSucceed(records, 'requests at home while the gateway was away');
  return `noticed after ${Math.round(noticed - killedAt)} ms; ${records.length} requests at home, none failed`;
}

async function gatewayUp(state: DemoState): Promise<string> {
  const startedAt = Date.now();
  await scale(state.west, MC_NAMESPACE, 'linkerd-gateway', 1);
  await rolloutDone(state.west.client, MC_NAMESPACE, ['linkerd-gateway'], state.signal);
  const readyAt = Date.now();
  const first = await firstSuccess(state, { target: 'west', fromMs: startedAt });
  await gatewayAlive(state.east, 'west', true, state.signal);
  // From the moment that east found the gateway alive, every crossing request has a healthy way.
  const settledAt = Date.now();
  state.includeWest?.(settledAt);
  await pause(WATCH_MS, state.signal);
  mustAllSucceed(state.log.select({ targets: ['west'], fromMs: settledAt }), 'crossing requests after the return');
  return `up after ${readyAt - startedAt} ms; requests crossed again ${Math.max(0, Math.round(first.at + first.ms - readyAt))} ms later`;
}

/** When the controller's view of the gateway became `alive`, in milliseconds since the epoch. */
async function gatewayAlive(source: HomeCluster, target: string, alive: boolean, signal: AbortSignal): Promise<number> {
  await until(
    `${source.name} to find the gateway of ${target} ${alive ? 'alive' : 'dead'}`,
    async () => {
      const link = await source.client.get(LINKS, { namespace: MC_NAMESPACE, name: target });
      const condition = link?.status?.conditions?.find((item) => /alive/i.test(item.type));
      return condition !== undefined && (condition.status === 'True') === alive;
    },
    { timeoutMs: 20_000, everyMs: 25, signal },
  );
  return Date.now();
}

function both(state: DemoState, action: (cluster: HomeCluster) => Promise<void>): Promise<unknown> {
  return Promise.all([action(state.east), action(state.west)]);
}

function federatedFrom(state: DemoState, fromMs: number): readonly RequestRecord[] {
  return state.log.select({ targets: ['federated'], fromMs });
}

async function firstSuccess(
  state: DemoState,
  options: { readonly target: string; readonly fromMs: number },
): Promise<RequestRecord> {
  const records = (): readonly RequestRecord[] =>
    state.log.select({ targets: [options.target], fromMs: options.fromMs });
  return until(
    `a request to ${options.target} to succeed`,
    () => {
      const found = records().find(isOk);
      if (found !== undefined) return found;
      const last = records().at(-1);
      throw new Error(last === undefined ? 'none was sent' : `last answer ${last.status}: ${last.error ?? ''}`);
    },
    { timeoutMs: 20_000, everyMs: 10, signal: state.signal },
  );
}

function mustAllSucceed(records: readonly RequestRecord[], what: string): void {
  const failed = records.filter((record) => !isOk(record));
  if (records.length === 0) throw new Error(`no ${what} were sent`);
  if (failed.length > 0) throw new Error(`${failed.length} of ${records.length} ${what} failed${errorsOf(failed, 0)}`);
}

/** The distinct errors, for the message of a failed step. */
function errorsOf(records: readonly RequestRecord[], fromMs: number): string {
  const errors = records
    .filter((record) => !isOk(record) && record.at + record.ms >= fromMs)
    .map((record) => `${record.status} ${record.error ?? ''}`.trim());
  const distinct = [...new Set(errors)].slice(0, 3);
  return distinct.length === 0 ? '' : ` (${distinct.join('; ')})`;
}
