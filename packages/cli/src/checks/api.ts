/** Category `linkerd-api`: what the controllers say about themselves, asked through the API server. */
import type { Pod } from '@mesh/kube';
import { SkipCheck } from './check.ts';
import type { CheckCategory } from './check.ts';
import { controlPlanePods } from './existence.ts';
import { isLive } from './state.ts';
import type { CheckState } from './state.ts';

export function apiCategory(state: CheckState): CheckCategory {
  return {
    name: 'linkerd-api',
    checks: [
      {
        description: 'control plane self-check',
        hint: 'l5d-api-control-api',
        retry: true,
        run: async () => {
          const admins = (await controlPlanePods(state)).filter(isLive).flatMap(adminPorts);
          if (admins.length === 0) throw new SkipCheck();
          const answers = await Promise.all(admins.map((admin) => selfCheck(state, admin)));
          // Without the right to the pod proxy nothing can be asked; readiness was checked already.
          if (answers.every((answer) => answer === 'forbidden')) throw new SkipCheck();
          const bad = answers.filter((answer) => answer !== undefined && answer !== 'forbidden');
          if (bad.length > 0) throw new Error(bad.join('\n'));
        },
      },
    ],
  };
}

interface Admin {
  readonly pod: Pod;
  readonly container: string;
  readonly port: number;
}

function adminPorts(pod: Pod): readonly Admin[] {
  return pod.spec.containers.flatMap((container) =>
    (container.ports ?? [])
      .filter((port) => port.name?.endsWith('-admin') === true)
      .map((port) => ({ pod, container: container.name, port: port.containerPort })),
  );
}

async function selfCheck(state: CheckState, { pod, container, port }: Admin): Promise<string | undefined> {
  const { namespace = '', name } = pod.metadata;
  const path = `/api/v1/namespaces/${namespace}/pods/${name}:${port}/proxy/ready`;
  const { status, text } = await (await state.client()).raw(path);
  if (status === 200) return undefined;
  if (status === 401 || status === 403) return 'forbidden';
  return `pod/${name} container ${container}: /ready on port ${port} answered ${status} (${text.trim().slice(0, 200)})`;
}
