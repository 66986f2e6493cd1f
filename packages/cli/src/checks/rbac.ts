/** Which rights a set of RBAC rules lacks, compared with another set. */

/** A rule as the API has it. */
export interface RbacRule {
  readonly apiGroups?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceNames?: readonly string[];
  readonly verbs: readonly string[];
}

/** As sentences: "watch endpointslices.discovery.k8s.io". Right by right, since roles may be cut differently and grant the same. */
export function missingRights(wanted: readonly RbacRule[], granted: readonly RbacRule[]): readonly string[] {
  const missing = new Set<string>();
  for (const rule of wanted) {
    for (const group of rule.apiGroups ?? []) {
      for (const resource of rule.resources ?? []) {
        const names = rule.resourceNames ?? [undefined];
        const verbs = rule.verbs.filter(
          (verb) => !names.every((name) => granted.some((one) => grants(one, { group, resource, verb, name }))),
        );
        if (verbs.length > 0)
          missing.add(
            `${verbs.join(', ')} ${resource}${group === '' ? '' : `.${group}`}${rule.resourceNames === undefined ? '' : ` named ${rule.resourceNames.join(', ')}`}`,
          );
      }
    }
  }
  return [...missing];
}

interface Right {
  readonly group: string;
  readonly resource: string;
  readonly verb: string;
  readonly name: string | undefined;
}

function grants(rule: RbacRule, right: Right): boolean {
  const has = (list: readonly string[] | undefined, item: string): boolean =>
    list?.some((one) => one === '*' || one === item) ?? false;
  const restricted = (rule.resourceNames?.length ?? 0) > 0;
  const named = !restricted || (right.name !== undefined && has(rule.resourceNames, right.name));
  return (
    named && has(rule.apiGroups, right.group) && has(rule.resources, right.resource) && has(rule.verbs, right.verb)
  );
}
