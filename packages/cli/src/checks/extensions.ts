/** Which extensions are in the cluster, and their categories. */
import { NAMESPACES } from '@mesh/kube';
import { SkipCheck } from './check.ts';
import type { CheckCategory } from './check.ts';
import { multiclusterCategory } from './multicluster.ts';
import type { CheckState } from './state.ts';

const EXTENSION_LABEL = 'linkerd.io/extension';

const CATEGORIES: Readonly<Record<string, (state: CheckState) => CheckCategory>> = {
  multicluster: multiclusterCategory,
};

/**
 * @param chosen Names from `--extensions`; absent: those that are installed.
 * Looks into the cluster for what is installed; a cluster that cannot be asked has none (other checks say why).
 */
export async function extensionCategories(
  state: CheckState,
  chosen: readonly string[] | undefined,
): Promise<readonly CheckCategory[]> {
  const installed = await installedExtensions(state).catch(() => new Map<string, readonly string[]>());
  const names = [...new Set(chosen ?? installed.keys())].sort();
  if (names.length === 0) return [];
  return [
    {
      name: 'linkerd-extension-checks',
      checks: [
        {
          description: 'namespace configuration for extensions',
          hint: 'l5d-extension-namespaces',
          warning: true,
          run: () => {
            const problems = names.flatMap((name) => {
              const namespaces = installed.get(name) ?? [];
              if (namespaces.length === 0) return [`no namespace has label ${EXTENSION_LABEL}=${name}`];
              return namespaces.length > 1
                ? [`several namespaces have label ${EXTENSION_LABEL}=${name}: ${namespaces.join(', ')}`]
                : [];
            });
            return problems.length === 0 ? Promise.resolve() : Promise.reject(new Error(problems.join('\n')));
          },
        },
        {
          description: 'checks of all extensions are known',
          hint: 'extensions',
          warning: true,
          run: () => {
            const unknown = names.filter((name) => CATEGORIES[name] === undefined);
            if (unknown.length === 0) return Promise.reject(new SkipCheck());
            return Promise.reject(
              new Error(`this CLI has no checks for extension ${unknown.join(', ')}; run mesh NAME check`),
            );
          },
        },
      ],
    },
    ...names.flatMap((name) => {
      const category = CATEGORIES[name];
      return category === undefined ? [] : [category(state)];
    }),
  ];
}

async function installedExtensions(state: CheckState): Promise<ReadonlyMap<string, readonly string[]>> {
  const { items } = await (await state.client()).list(NAMESPACES, { labelSelector: EXTENSION_LABEL });
  const found = new Map<string, string[]>();
  for (const item of items) {
    const name = item.metadata.labels?.[EXTENSION_LABEL] ?? '';
    found.set(name, [...(found.get(name) ?? []), item.metadata.name]);
  }
  return found;
}
