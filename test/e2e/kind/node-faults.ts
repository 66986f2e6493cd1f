/** Faults of a cluster's node that only a real one has: its API server's process stopped, continued or killed. */
import { NODES } from '@mesh/kube';
import type { KindMember } from '../../../scripts/home/kind-home.ts';
import { runProgram, tryProgram } from '../../../scripts/home/program.ts';
import { until } from '../../../scripts/home/wait.ts';

const MEND_TIMEOUT_MS = 120_000;

/** SIGSTOP: connections stay open and nobody answers. SIGCONT: all goes on. SIGKILL: the node's kubelet starts it anew. */
export async function signalApiServer(cluster: KindMember, signal: 'STOP' | 'CONT' | 'KILL'): Promise<void> {
  await runProgram('docker', inNode(cluster.name, apiServerScript(signal)));
}

/** Takes back what an interrupted scenario did to a node; resolves when the cluster's API answers. */
export async function mendNodes(cluster: KindMember): Promise<void> {
  await runProgram('docker', inNode(cluster.name, `${apiServerScript('CONT')} || true`));
  // The rule may have been put in more than once.
  while ((await tryProgram('docker', inNode(cluster.name, DROP_REJECTION))).code === 0);
  await until(
    `the API of ${cluster.name} to answer`,
    async () => (await cluster.client.raw('/readyz')).status === 200,
    {
      timeoutMs: MEND_TIMEOUT_MS,
      everyMs: 500,
    },
  );
  const { items } = await cluster.client.list(NODES);
  for (const { metadata, spec } of items) {
    if (spec?.unschedulable !== true) continue;
    const body = { spec: { unschedulable: null } };
    await cluster.client.patch(NODES, { name: metadata.name }, { type: 'merge', body });
  }
}

/** The rule of `stopApiServer` of a kind home. */
const DROP_REJECTION = 'iptables -w -D INPUT -p tcp --dport 6443 -j REJECT --reject-with tcp-reset 2>/dev/null';

/** Fails when no API server runs. Reads /proc: not every node image has `pkill`. */
function apiServerScript(signal: string): string {
  return [
    'found=1',
    'for d in /proc/[0-9]*',
    `do if tr "\\0" " " <"$d/cmdline" 2>/dev/null | grep -q "^kube-apiserver "; then kill -s ${signal} "\${d#/proc/}" && found=0; fi`,
    'done',
    '[ "$found" = 0 ]',
  ].join('\n');
}

function inNode(cluster: string, script: string): readonly string[] {
  return ['exec', `${cluster}-control-plane`, 'sh', '-c', script];
}
