/** `mesh check --proxy`: the sidecars of applications, and what people get wrong around them. */
import { NAMESPACES, PODS, SERVICES } from '@mesh/kube';
import type { KubeObject } from '@mesh/kube';
import { isMeshed } from '../pod-metrics.ts';
import { SkipCheck } from './check.ts';
import type { Check, CheckCategory } from './check.ts';
import { opaquePortsCheck } from './opaque-ports.ts';
import { anchorsCheck, proxyChecks, shorten } from './proxies.ts';
import { isLive, nameOf } from './state.ts';
import type { CheckState } from './state.ts';

const INJECT = 'linkerd.io/inject';

/** @param namespace All namespaces when absent. */
export function dataPlaneCategories(state: CheckState, namespace: string | undefined): readonly CheckCategory[] {
  const meshed = () => state.meshedPods(namespace);
  return [
    { name: 'linkerd-identity-data-plane', checks: [anchorsCheck(state, meshed)] },
    {
      name: 'linkerd-data-plane',
      checks: [
        namespaceCheck(state, namespace),
        ...proxyChecks(state, meshed, {
          healthy: ['data plane proxies are ready', 'l5d-data-plane-ready'],
          upToDate: ['data plane is up-to-date', 'l5d-data-plane-version'],
          cliVersion: ['data plane and cli versions match', 'l5d-data-plane-cli-version'],
        }),
        injectedCheck(state, namespace),
        ...placementChecks(state, namespace),
        opaquePortsCheck(state, namespace),
      ],
    },
  ];
}

function namespaceCheck(state: CheckState, namespace: string | undefined): Check {
  return {
    description: 'data plane namespace exists',
    hint: 'l5d-data-plane-exists',
    fatal: true,
    run: async () => {
      if (namespace === undefined) throw new SkipCheck();
      const found = await (await state.client()).get(NAMESPACES, { name: namespace });
      if (found === undefined) throw new Error(`the "${namespace}" namespace does not exist`);
    },
  };
}

/** Pods that were made while the injector could not be asked have no sidecar, and nothing else tells. */
function injectedCheck(state: CheckState, namespace: string | undefined): Check {
  return {
    description: 'pods that are to be injected have a proxy',
    hint: 'l5d-data-plane-uninjected',
    warning: true,
    run: async () => {
      const client = await state.client();
      const [namespaces, pods] = await Promise.all([client.list(NAMESPACES), client.list(PODS, { namespace })]);
      const modes = new Map(namespaces.items.map((item) => [item.metadata.name, item.metadata.annotations?.[INJECT]]));
      const without = pods.items.filter((pod) => {
        const mode = pod.metadata.annotations?.[INJECT] ?? modes.get(pod.metadata.namespace ?? '');
        return (
          (mode === 'enabled' || mode === 'ingress') && isLive(pod) && !isMeshed(pod) && pod.spec.hostNetwork !== true
        );
      });
      if (without.length > 0)
        throw new Error(
          shorten(
            without.map(
              (pod) => `pod ${nameOf(pod)} is to be injected but has no linkerd-proxy; delete it to have it made anew`,
            ),
          ),
        );
    },
  };
}

/** Settings where nobody reads them: annotations written as labels, and the reverse. */
function placementChecks(state: CheckState, namespace: string | undefined): readonly Check[] {
  const isSetting = (key: string): boolean => key === INJECT || key.startsWith('config.linkerd.io/');
  const isExport = (key: string): boolean => key === 'mirror.linkerd.io/exported';
  const check = (
    what: string,
    hint: string,
    read: () => Promise<readonly KubeObject[]>,
    misplaced: (object: KubeObject) => readonly string[],
  ): Check => ({
    description: `data plane ${what} are configured correctly`,
    hint,
    warning: true,
    run: async () => {
      const problems = (await read()).flatMap((object) =>
        misplaced(object).map((problem) => `${what.split(' ', 1)[0] ?? ''} ${nameOf(object)}: ${problem}`),
      );
      if (problems.length > 0) throw new Error(shorten(problems));
    },
  });
  const settingsAsLabels = ({ metadata }: KubeObject): readonly string[] =>
    Object.keys(metadata.labels ?? {})
      .filter(isSetting)
      .map((key) => `${key} is a label, but is read as an annotation`);
  const services = async () => (await (await state.client()).list(SERVICES, { namespace })).items;
  return [
    check('pod labels', 'l5d-data-plane-pod-labels', () => state.meshedPods(namespace), settingsAsLabels),
    check('service labels', 'l5d-data-plane-services-labels', services, settingsAsLabels),
    check('service annotations', 'l5d-data-plane-services-annotations', services, ({ metadata }) =>
      Object.keys(metadata.annotations ?? {})
        .filter(isExport)
        .map((key) => `${key} is an annotation, but is read as a label`),
    ),
  ];
}
