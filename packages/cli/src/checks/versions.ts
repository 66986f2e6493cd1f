/** Categories `linkerd-version` and `control-plane-version`: do CLI and control plane fit together? */
import { DEPLOYMENTS } from '@mesh/kube';
import { MESH_VERSION } from '../version.ts';
import { SkipCheck } from './check.ts';
import type { CheckCategory } from './check.ts';
import type { CheckState } from './state.ts';

/** @param expected The version that `--expected-version` names; without it nothing knows what is the latest. */
export function cliVersionCategory(expected: string | undefined): CheckCategory {
  return {
    name: 'linkerd-version',
    checks: [
      {
        description: 'cli is up-to-date',
        hint: 'l5d-version-cli',
        warning: true,
        run: () => {
          if (expected === undefined) return Promise.reject(new SkipCheck());
          if (expected === MESH_VERSION) return Promise.resolve();
          return Promise.reject(
            new Error(`is running version ${MESH_VERSION} but the expected version is ${expected}`),
          );
        },
      },
    ],
  };
}

export function controlPlaneVersionCategory(state: CheckState, expected: string | undefined): CheckCategory {
  return {
    name: 'control-plane-version',
    checks: [
      {
        description: 'can retrieve the control plane version',
        hint: 'l5d-version-control',
        retry: true,
        run: async () => {
          const { version } = await state.config();
          if (version === 'unknown')
            throw new Error(`ConfigMap ${state.controlPlaneNamespace}/linkerd-config has no value linkerdVersion`);
        },
      },
      {
        description: 'control plane is up-to-date',
        hint: 'l5d-version-control-up-to-date',
        warning: true,
        run: () => checkControlPlane(state, expected),
      },
      {
        description: 'control plane and cli versions match',
        hint: 'l5d-version-control-cli-match',
        warning: true,
        run: async () => {
          const { version } = await state.config();
          if (version !== MESH_VERSION)
            throw new Error(`control plane running ${version} but cli running ${MESH_VERSION}`);
        },
      },
    ],
  };
}

/** All Deployments must be of the installed version: an upgrade that was applied by half shows here. */
async function checkControlPlane(state: CheckState, expected: string | undefined): Promise<void> {
  const { version } = await state.config();
  if (expected !== undefined && version !== expected)
    throw new Error(`is running version ${version} but the expected version is ${expected}`);
  const { items } = await (
    await state.client()
  ).list(DEPLOYMENTS, { namespace: state.controlPlaneNamespace, labelSelector: 'linkerd.io/control-plane-component' });
  const other = items.filter((item) => (item.metadata.labels?.['app.kubernetes.io/version'] ?? version) !== version);
  if (other.length > 0)
    throw new Error(
      other
        .map(
          (item) =>
            `deployment ${item.metadata.name} is of version ${item.metadata.labels?.['app.kubernetes.io/version'] ?? ''}, but ${version} is installed`,
        )
        .join('\n'),
    );
}
