/** Checks of sidecars, for whichever pods: those of the control plane, of an extension, or of applications. */
import { createHash } from 'node:crypto';
import type { Pod } from '@mesh/kube';
import { MESH_VERSION } from '../version.ts';
import { SkipCheck } from './check.ts';
import type { Check } from './check.ts';
import { nameOf } from './state.ts';
import type { CheckState } from './state.ts';
import { whyNotReady } from './workloads.ts';

/** More lines than this help nobody. */
const SHOWN_MAX = 20;

export interface ProxyCheckNames {
  readonly healthy: readonly [description: string, hint: string];
  readonly upToDate: readonly [description: string, hint: string];
  readonly cliVersion: readonly [description: string, hint: string];
}

/** Ready, of the control plane's version, of the CLI's version. Not shown when there are no such pods. */
export function proxyChecks(
  state: CheckState,
  pods: () => Promise<readonly Pod[]>,
  names: ProxyCheckNames,
  healthyIsWarning = false,
): readonly Check[] {
  const meshed = async (): Promise<readonly Pod[]> => {
    const found = await pods();
    if (found.length === 0) throw new SkipCheck();
    return found;
  };
  const version = (pod: Pod): string => pod.metadata.annotations?.['linkerd.io/proxy-version'] ?? '';
  return [
    {
      description: names.healthy[0],
      hint: names.healthy[1],
      retry: true,
      warning: healthyIsWarning,
      run: async () => assertProxiesReady(await meshed()),
    },
    {
      description: names.upToDate[0],
      hint: names.upToDate[1],
      warning: true,
      run: async () => {
        const { proxy } = await state.values();
        const wanted = proxy.image.version;
        const old = (await meshed()).filter((pod) => version(pod) !== wanted);
        if (old.length > 0) throw new Error(`some proxies do not run version ${wanted}:\n${list(old, version)}`);
      },
    },
    {
      description: names.cliVersion[0],
      hint: names.cliVersion[1],
      warning: true,
      run: async () => {
        const other = (await meshed()).filter((pod) => version(pod) !== MESH_VERSION);
        if (other.length > 0)
          throw new Error(`some proxies do not run the cli's version ${MESH_VERSION}:\n${list(other, version)}`);
      },
    },
  ];
}

/** A sidecar has the anchors of its injection: other anchors since then means that it needs a restart. */
export function anchorsCheck(state: CheckState, pods: () => Promise<readonly Pod[]>): Check {
  return {
    description: 'data plane proxies certificate match CA',
    hint: 'l5d-identity-data-plane-proxies-certs-match-ca',
    warning: true,
    run: async () => {
      const all = await pods();
      if (all.length === 0) throw new SkipCheck();
      const wanted = createHash('sha256')
        .update((await state.config()).trustAnchorsPem)
        .digest('hex');
      const other = all.filter(
        (pod) => (pod.metadata.annotations?.['linkerd.io/trust-root-sha256'] ?? wanted) !== wanted,
      );
      if (other.length > 0)
        throw new Error(
          `some pods were injected with other trust anchors and need a restart:\n${list(other, () => '')}`,
        );
    },
  };
}

function assertProxiesReady(pods: readonly Pod[]): void {
  const unready = pods.flatMap((pod) => {
    const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
    const init = statuses.find(
      (status) => status.name === 'linkerd-init' && status.state?.waiting?.reason !== undefined,
    );
    if (init !== undefined && init.state?.terminated === undefined && init.state?.waiting?.reason !== 'PodInitializing')
      return [`pod ${nameOf(pod)}: linkerd-init has not finished${whyNotReady(init)}`];
    const proxy = statuses.find((status) => status.name === 'linkerd-proxy');
    if (proxy?.ready === true) return [];
    return [`pod ${nameOf(pod)}: linkerd-proxy is not ready${proxy === undefined ? '' : whyNotReady(proxy)}`];
  });
  if (unready.length > 0) throw new Error(shorten(unready));
}

function list(pods: readonly Pod[], more: (pod: Pod) => string): string {
  return shorten(pods.map((pod) => `* ${nameOf(pod)}${more(pod) === '' ? '' : ` (${more(pod)})`}`));
}

/** At most twenty lines, and how many more there are. */
export function shorten(lines: readonly string[]): string {
  const rest = lines.length - SHOWN_MAX;
  return [...lines.slice(0, SHOWN_MAX), ...(rest > 0 ? [`and ${rest} more`] : [])].join('\n');
}
