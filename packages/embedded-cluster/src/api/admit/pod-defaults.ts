/** What Kubernetes' default admission plugins put into every new pod: priority and tolerations of a failing node. */
import type { AdmissionPlugin } from '../admission.ts';
import { asArray, asNumber, asObject, asString, type JsonObject } from '../json.ts';
import type { AdmissionAttributes } from '../machinery.ts';
import { forbidden } from '../status-error.ts';
import type { Store } from '../store.ts';

const NODE_FAILURES = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];
const TOLERATION_SECONDS = 300;
const SYSTEM_CLASSES: Readonly<Record<string, number>> = {
  'system-cluster-critical': 2_000_000_000,
  'system-node-critical': 2_000_001_000,
};

/** The plugins `Priority` and `DefaultTolerationSeconds`. */
export class PodDefaults implements AdmissionPlugin {
  readonly name = 'PodDefaults';
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  mutate({ operation, resource, subresource, object, name }: AdmissionAttributes): void {
    if (operation !== 'CREATE' || resource.bucket !== '/pods' || subresource !== undefined) return;
    const spec = asObject(object?.['spec']);
    if (object === undefined || spec === undefined) return;
    this.#setPriority(spec, (why) => forbidden(resource, name, why));
    const tolerations = [...asArray(spec['tolerations'])];
    for (const key of NODE_FAILURES) {
      if (tolerations.some((one) => toleratesNoExecute(asObject(one), key))) continue;
      tolerations.push({ effect: 'NoExecute', key, operator: 'Exists', tolerationSeconds: TOLERATION_SECONDS });
    }
    spec['tolerations'] = tolerations;
  }

  #setPriority(spec: JsonObject, deny: (why: string) => Error): void {
    const className = asString(spec['priorityClassName']) ?? '';
    const found =
      className === '' ? this.#defaultClass() : this.#store.get('scheduling.k8s.io/priorityclasses', className);
    const system = SYSTEM_CLASSES[className];
    if (className !== '' && found === undefined && system === undefined)
      throw deny(`no PriorityClass with name ${className} was found`);
    if (found !== undefined && className === '') spec['priorityClassName'] = found.metadata.name;
    const value = asNumber(found?.['value']) ?? system ?? 0;
    const given = asNumber(spec['priority']);
    if (given !== undefined && given !== value)
      throw deny(
        'the integer value of priority (' +
          given +
          ') must not be provided in pod spec; priority admission controller computed ' +
          value +
          ' from the given PriorityClass name',
      );
    spec['priority'] = value;
    spec['preemptionPolicy'] ??= asString(found?.['preemptionPolicy']) ?? 'PreemptLowerPriority';
  }

  #defaultClass(): (JsonObject & { metadata: { name?: string } }) | undefined {
    for (const [, candidate] of this.#store.iterate('scheduling.k8s.io/priorityclasses'))
      if (candidate['globalDefault'] === true) return candidate;
    return undefined;
  }
}

function toleratesNoExecute(toleration: JsonObject | undefined, key: string): boolean {
  if (toleration === undefined) return false;
  const keyMatches =
    toleration['key'] === key || (toleration['key'] === undefined && toleration['operator'] === 'Exists');
  return (
    keyMatches &&
    (toleration['effect'] === undefined || toleration['effect'] === '' || toleration['effect'] === 'NoExecute')
  );
}
