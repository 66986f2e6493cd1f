/** `mesh inject` and `uninject` on one object: finds the pod template in it, changes that, leaves the rest alone. Pure. */
import { injectPod } from '@mesh/control-plane/inject';
import type { InjectionContext } from '@mesh/control-plane/inject';
import type { Pod } from '@mesh/kube';
import type { Manifest } from './manifests/object.ts';

export const INJECT = 'linkerd.io/inject';

/** Where the pod template of each workload kind is. */
const TEMPLATE_PATHS: Readonly<Record<string, readonly string[]>> = {
  CronJob: ['spec', 'jobTemplate', 'spec', 'template'],
  DaemonSet: ['spec', 'template'],
  Deployment: ['spec', 'template'],
  Job: ['spec', 'template'],
  Pod: [],
  ReplicaSet: ['spec', 'template'],
  ReplicationController: ['spec', 'template'],
  StatefulSet: ['spec', 'template'],
};

export interface Injected {
  readonly object: Manifest;
  readonly result: 'injected' | 'annotated' | 'skipped' | 'uninjected';
  /** Why it was skipped. */
  readonly reason?: string;
}

type Tree = Readonly<Record<string, unknown>>;
type Template = { readonly metadata?: Tree; readonly spec?: Tree };

/** Marks the pods for the webhook; a Namespace marks all its pods. */
export function annotate(object: Manifest, annotations: Readonly<Record<string, string>>): Injected {
  if (object.kind === 'Namespace')
    return { object: withAnnotations(object, annotations) as Manifest, result: 'annotated' };
  return change(object, (template) => {
    if (template.spec?.['hostNetwork'] === true) return 'the pod uses the network of its node';
    return withAnnotations(template, annotations);
  });
}

/** Puts the sidecar in here and now, without the webhook. */
export function injectManually(
  object: Manifest,
  annotations: Readonly<Record<string, string>>,
  context: Omit<InjectionContext, 'namespace'>,
): Injected {
  return change(object, (template) => {
    const pod = withAnnotations(template, annotations) as unknown as Pod;
    const name = object.metadata.namespace ?? 'default';
    const injection = injectPod(pod, { ...context, namespace: { name, annotations: {} } });
    return injection.kind === 'injected' ? (injection.pod as unknown as Template) : injection.message;
  });
}

/** Takes out everything that injection put in, by hand or by annotation. */
export function uninject(object: Manifest): Injected {
  if (object.kind === 'Namespace') {
    return hasMark(object.metadata)
      ? { object: withoutMarks(object) as Manifest, result: 'uninjected' }
      : { object, result: 'skipped' };
  }
  const outcome = change(object, (template) => {
    const before = JSON.stringify(template);
    const after = withoutSidecar(withoutMarks(template));
    return JSON.stringify(after) === before ? 'nothing of the mesh is in it' : after;
  });
  return outcome.result === 'injected' ? { ...outcome, result: 'uninjected' } : outcome;
}

function change(object: Manifest, edit: (template: Template) => Template | string): Injected {
  const path = TEMPLATE_PATHS[object.kind];
  if (path === undefined) return { object, result: 'skipped' };
  const template = path.reduce<unknown>((tree, key) => (isTree(tree) ? tree[key] : undefined), object);
  if (!isTree(template)) return { object, result: 'skipped', reason: `it has no ${path.join('.')}` };
  const edited = edit(template);
  if (typeof edited === 'string') return { object, result: 'skipped', reason: edited };
  return { object: replaceAt(object, path, edited) as Manifest, result: 'injected' };
}

function replaceAt(tree: Tree, path: readonly string[], value: Tree): Tree {
  const [key, ...rest] = path;
  if (key === undefined) return { ...tree, ...value };
  return { ...tree, [key]: replaceAt(tree[key] as Tree, rest, value) };
}

function withAnnotations(object: Template, annotations: Readonly<Record<string, string>>): Template {
  const metadata = object.metadata ?? {};
  return {
    ...object,
    metadata: { ...metadata, annotations: { ...(metadata['annotations'] as Tree | undefined), ...annotations } },
  };
}

/** Annotations and labels that only injection writes; what a person configured (`config.linkerd.io/…`) stays theirs. */
const MARKS = new Set([INJECT, 'linkerd.io/created-by', 'linkerd.io/proxy-version', 'linkerd.io/trust-root-sha256']);
const LABELS = /^linkerd\.io\/(control-plane-ns|workload-ns|proxy-[a-z]+)$/;

function hasMark(metadata: Tree): boolean {
  return Object.keys((metadata['annotations'] as Tree | undefined) ?? {}).some((key) => MARKS.has(key));
}

function withoutMarks(object: Template): Template {
  if (object.metadata === undefined) return object;
  const { annotations, labels, ...metadata } = object.metadata;
  return {
    ...object,
    metadata: {
      ...metadata,
      ...filtered('annotations', annotations, (key) => !MARKS.has(key)),
      ...filtered('labels', labels, (key) => !LABELS.test(key)),
    },
  };
}

function filtered(name: string, map: unknown, keep: (key: string) => boolean): Tree {
  if (!isTree(map)) return {};
  const entries = Object.entries(map).filter(([key]) => keep(key));
  return entries.length === 0 ? {} : { [name]: Object.fromEntries(entries) };
}

const CONTAINERS = new Set(['linkerd-proxy', 'linkerd-init', 'linkerd-network-validator', 'linkerd-debug']);

function withoutSidecar(template: Template): Template {
  if (template.spec === undefined) return template;
  const spec: Record<string, unknown> = { ...template.spec };
  for (const [list, ours] of [
    ['containers', (name: string) => CONTAINERS.has(name)],
    ['initContainers', (name: string) => CONTAINERS.has(name)],
    ['volumes', (name: string) => name.startsWith('linkerd-')],
  ] as const) {
    const items = spec[list];
    if (!Array.isArray(items)) continue;
    const rest = items.filter(
      (item: unknown) => !(isTree(item) && typeof item['name'] === 'string' && ours(item['name'])),
    );
    if (rest.length === 0) delete spec[list];
    else spec[list] = rest;
  }
  return { ...template, spec };
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
