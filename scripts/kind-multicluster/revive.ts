/**
 * Clusters whose nodes Docker stopped and started again, as it does with the machine. Docker gives addresses in the order of starting, and a
 * cluster whose nodes have changed places finds neither its API server nor its nodes: they are started again in the order that puts each at the
 * address under which its cluster knows it.
 */
import { nodesOf } from '../home/kind-home.ts';
import { runProgram, tryProgram } from '../home/program.ts';
import { until } from '../home/wait.ts';
import { addressOrder, changedPlaces } from './plan.ts';
import type { NodePlace } from './plan.ts';

const READY_TIMEOUT_MS = 180_000;

/**
 * Resolves when every node of these clusters, which exist, runs at its own address and is Ready; with the names of nodes that had to be started.
 * @throws Error when the addresses are held by somebody else, with the way out.
 */
export async function reviveClusters(names: readonly string[]): Promise<readonly string[]> {
  const nodes = (await Promise.all(names.map(nodesOf))).flat();
  const stopped = await notRunning(nodes);
  // Only of a node that runs can be asked what it is called.
  for (const node of stopped) await runProgram('docker', ['start', node]);
  const places = await Promise.all(nodes.map(placeOf));
  const moved = changedPlaces(places);
  if (moved.length > 0) await putBack(places);
  await Promise.all(names.map(allReady));
  return moved.length > 0 ? nodes : stopped;
}

async function notRunning(nodes: readonly string[]): Promise<readonly string[]> {
  const running = await Promise.all(
    nodes.map(async (node) => (await runProgram('docker', ['inspect', '-f', '{{.State.Running}}', node])).trim()),
  );
  return nodes.filter((_, index) => running[index] !== 'true');
}

async function putBack(places: readonly NodePlace[]): Promise<void> {
  const order = addressOrder(places);
  await runProgram('docker', ['stop', '--time', '20', ...order]);
  for (const node of order) await runProgram('docker', ['start', node]);
  const wrong = changedPlaces(await Promise.all(order.map(placeOf)));
  if (wrong.length === 0) return;
  const told = wrong.map(({ node, known, actual }) => `${node} has ${actual} and is known as ${known}`).join(', ');
  throw new Error(
    `Docker gave the nodes other addresses than before (${told}): run npm run kind -- down, then npm run kind -- up`,
  );
}

/** The kubelet was told its address when the node was made; images that follow a changed one rewrite that file. */
async function placeOf(node: string): Promise<NodePlace> {
  const flags = await tryProgram('docker', ['exec', node, 'cat', '/var/lib/kubelet/kubeadm-flags.env']);
  const actual = await runProgram('docker', ['inspect', '-f', '{{.NetworkSettings.Networks.kind.IPAddress}}', node]);
  return { node, known: /--node-ip=([\d.]+)/.exec(flags.stdout)?.[1], actual: actual.trim() };
}

async function allReady(cluster: string): Promise<void> {
  const kubectl = ['exec', `${cluster}-control-plane`, 'kubectl', '--kubeconfig', '/etc/kubernetes/admin.conf'];
  const states = '{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}';
  await until(
    `the nodes of ${cluster} to be Ready`,
    async () => {
      const said = await runProgram('docker', [...kubectl, 'get', 'nodes', '-o', `jsonpath=${states}`]);
      const lines = said.trim().split('\n');
      return lines.every((line) => line === 'True');
    },
    { timeoutMs: READY_TIMEOUT_MS, everyMs: 1000 },
  );
}
