/** ClusterRoles with an aggregation rule hold the union of the rules that their selectors find. */
import { asArray, asObject, equalJson } from '../json.ts';
import { ROLE_BUCKETS } from '../auth/rbac.ts';
import { labelSelectorTest } from '../selectors.ts';
import type { Store } from '../store.ts';
import type { KubeObject } from '../types.ts';

/** Recomputes on each change of a ClusterRole, until the returned function is called. */
export function startRoleAggregation(store: Store): () => void {
  let scheduled = false;
  const schedule = (): void => {
    if (scheduled) return;
    scheduled = true;
    queueMicrotask(() => {
      scheduled = false;
      aggregateRoles(store);
    });
  };
  aggregateRoles(store);
  return store.subscribe(ROLE_BUCKETS.clusterRoles, schedule);
}

/** `edit` collects `view` and `admin` collects `edit`, so it goes around until nothing changes. */
export function aggregateRoles(store: Store): void {
  const bucket = ROLE_BUCKETS.clusterRoles;
  const rounds = store.count(bucket) + 1;
  for (let round = 0; round < rounds; round += 1) {
    let changed = false;
    for (const [id, role] of store.iterate(bucket)) {
      const selectors = asArray(asObject(role['aggregationRule'])?.['clusterRoleSelectors']);
      if (selectors.length === 0) continue;
      const rules = collectRules(store, role, selectors);
      if (equalJson(rules, role['rules'] ?? [])) continue;
      store.commit(bucket, id, { ...role, rules });
      changed = true;
    }
    if (!changed) return;
  }
}

function collectRules(store: Store, role: KubeObject, selectors: readonly unknown[]): readonly unknown[] {
  const tests = selectors.map(labelSelectorTest);
  const rules: unknown[] = [];
  for (const [, other] of store.iterate(ROLE_BUCKETS.clusterRoles)) {
    if (other.metadata.name === role.metadata.name) continue;
    if (!tests.some((test) => test(other.metadata.labels ?? {}))) continue;
    for (const rule of asArray(other['rules'])) if (!rules.some((known) => equalJson(known, rule))) rules.push(rule);
  }
  return rules;
}
