/** Asks for a page of the shop from inside a meshed pod, as a person would with `kubectl exec`. */
import { podsOf } from '../home/rollout.ts';
import { SHOP } from '../home/shop.ts';
import type { KindMember } from '../home/kind-home.ts';
import { runProgram } from '../home/program.ts';
import { until } from '../home/wait.ts';

const ANSWER_TIMEOUT_MS = 60_000;

interface Answer {
  readonly cluster: string;
  readonly pod: string;
}

/** Resolves with the answer's cluster and pod, when `url` answers from a `web` pod of the cluster. */
export async function answerFrom(cluster: KindMember, kubeconfig: string, url: string): Promise<Answer> {
  return until(
    `${url} to answer in ${cluster.name}`,
    async () => {
      const [pod] = await podsOf(cluster.client, SHOP, 'app=web');
      if (pod === undefined) throw new Error('no web pod is running');
      const script = `fetch(${JSON.stringify(url)}).then(async (r) => { console.log(await r.text()); process.exit(r.ok ? 0 : 1); })`;
      const target = ['--kubeconfig', kubeconfig, '--context', cluster.name, '-n', SHOP, 'exec', pod.metadata.name];
      const said = await runProgram('kubectl', [...target, '-c', 'web', '--', '/usr/bin/node', '-e', script]);
      return JSON.parse(said) as Answer;
    },
    { timeoutMs: ANSWER_TIMEOUT_MS, everyMs: 500 },
  );
}
