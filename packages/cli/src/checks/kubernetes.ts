/** Categories `kubernetes-api` and `kubernetes-version`: is there an API that answers, and is it new enough? */
import type { CheckCategory } from './check.ts';
import type { CheckState } from './state.ts';

/** The first release that has native sidecars on by default (KEP-753). */
const MINIMUM_KUBERNETES = [1, 29] as const;

export function kubernetesApiCategory(state: CheckState): CheckCategory {
  return {
    name: 'kubernetes-api',
    checks: [
      {
        description: 'can initialize the client',
        hint: 'k8s-api',
        fatal: true,
        run: async () => void (await state.connection()),
      },
      {
        description: 'can query the Kubernetes API',
        hint: 'k8s-api',
        fatal: true,
        run: async () => void (await kubernetesVersion(state)),
      },
    ],
  };
}

export function kubernetesVersionCategory(state: CheckState): CheckCategory {
  return {
    name: 'kubernetes-version',
    checks: [
      {
        description: 'is running the minimum Kubernetes API version',
        hint: 'k8s-version',
        run: async () => {
          const [major, minor] = await kubernetesVersion(state);
          const [wantedMajor, wantedMinor] = MINIMUM_KUBERNETES;
          if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return;
          throw new Error(
            `Kubernetes is on version ${major}.${minor}, but version ${MINIMUM_KUBERNETES.join('.')} or more recent is required`,
          );
        },
      },
    ],
  };
}

async function kubernetesVersion(state: CheckState): Promise<readonly [number, number]> {
  const client = await state.client();
  const { status, text } = await client.raw('/version');
  if (status !== 200) throw new Error(`${client.server}/version answered ${status}`);
  const version = JSON.parse(text) as { readonly major?: string; readonly minor?: string };
  return [Number.parseInt(version.major ?? '0', 10), Number.parseInt(version.minor ?? '0', 10)];
}
