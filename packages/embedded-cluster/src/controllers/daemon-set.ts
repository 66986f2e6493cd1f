/** DaemonSets: one pod per node. */
import { Controller, type Reconciled } from './controller.ts';
import type { ControllerDeps } from './informers.ts';
import { isPodActive, isPodFinished, isPodReady, RESOURCES } from './kinds.ts';
import { createPod, deletePod, enqueueOwners, ownedBy, templateHash, writeStatus } from './pods.ts';

const REVISION_LABEL = 'controller-revision-hash';

export function createDaemonSetController(deps: ControllerDeps): Controller {
  const { informers, log } = deps;
  const reconcile = async (key: string): Promise<Reconciled> => {
    const set = informers.daemonSets.get(key);
    if (set === undefined) return undefined;
    const revision = templateHash(set.spec.template);
    const selector = Object.entries(set.spec.template.spec.nodeSelector ?? {});
    const nodes = [...informers.nodes.values()].filter((node) =>
      selector.every(([name, value]) => node.metadata.labels?.[name] === value),
    );
    if (set.metadata.deletionTimestamp === undefined) {
      for (const node of nodes) {
        const pods = ownedBy(informers.pods, set).filter(
          (pod) => (pod.spec.nodeName ?? node.metadata.name) === node.metadata.name,
        );
        const [first, ...surplus] = pods.filter(isPodActive);
        for (const pod of [...surplus, ...pods.filter(isPodFinished)]) await deletePod(deps, pod);
        const rolling = set.spec.updateStrategy?.type !== 'OnDelete';
        if (first === undefined) {
          if (pods.length === 0)
            await createPod(deps, set, set.spec.template, { labels: { [REVISION_LABEL]: revision } });
        } else if (rolling && first.metadata.labels?.[REVISION_LABEL] !== revision) await deletePod(deps, first);
      }
    }
    const active = ownedBy(informers.pods, set).filter(isPodActive);
    const ready = active.filter(isPodReady).length;
    const status = {
      observedGeneration: set.metadata.generation,
      desiredNumberScheduled: nodes.length,
      currentNumberScheduled: active.length,
      updatedNumberScheduled: active.filter((pod) => pod.metadata.labels?.[REVISION_LABEL] === revision).length,
      numberReady: ready,
      numberAvailable: ready,
      numberUnavailable: Math.max(0, nodes.length - ready),
      numberMisscheduled: 0,
    };
    await writeStatus(deps, RESOURCES.daemonSets, set, status, informers.daemonSets);
    return undefined;
  };
  const controller = new Controller('daemonset', reconcile, log);
  informers.daemonSets.onChange((_object, _before, key) => controller.enqueue(key));
  informers.nodes.onChange((node, before) => {
    if (node !== undefined && before !== undefined) return;
    for (const set of informers.daemonSets.values())
      controller.enqueue(`${set.metadata.namespace}/${set.metadata.name}`);
  });
  enqueueOwners(informers.pods, 'DaemonSet', controller);
  return controller;
}
