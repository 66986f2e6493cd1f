/** A cluster with a healthy mesh in an in-memory API, made from the real manifests, for tests that then break one thing. */
import type { KubeObject, ResourceKind, UnknownObject } from '@mesh/kube';
import { CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, dynamicKind, LEASES, NODES, PODS } from '@mesh/kube';
import { FakeApi } from '@mesh/kube/testing';
import type { CategoryOutcome, CheckCategory, CheckOutcome } from '../checks/check.ts';
import { runChecks } from '../checks/check.ts';
import { CheckState } from '../checks/state.ts';
import { withNewIdentity } from '../credentials.ts';
import { withWebhookCertificate } from './pem.ts';
import { controlPlaneManifests } from '../manifests/control-plane.ts';
import { crdManifests, linkCrdManifest } from '../manifests/crds.ts';
import type { Manifest } from '../manifests/object.ts';
import { highAvailability } from '../values/control-plane.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';
import { installDefaults } from '../values/installed.ts';

const CLUSTER_SCOPED = new Set([
  'Namespace',
  'ClusterRole',
  'ClusterRoleBinding',
  'CustomResourceDefinition',
  'MutatingWebhookConfiguration',
  'ValidatingWebhookConfiguration',
  'PriorityClass',
]);

let certified: Promise<ControlPlaneValues> | undefined;

/** Values with certificates; made once, since making them is the slow part. */
export function certifiedValues(): Promise<ControlPlaneValues> {
  certified ??= withNewIdentity(installDefaults({ ha: false }), 'linkerd').then((values) =>
    withWebhookCertificate(values, 'linkerd'),
  );
  return certified;
}

/** Everything installed, available and ready. */
export async function installedCluster(
  options: { readonly ha?: boolean; readonly change?: (values: ControlPlaneValues) => ControlPlaneValues } = {},
): Promise<FakeApi> {
  const base = await certifiedValues();
  const sized = options.ha === true ? highAvailability(base) : base;
  const values = options.change?.(sized) ?? sized;
  const api = new FakeApi();
  for (const object of [...crdManifests(), linkCrdManifest()]) api.seed(CUSTOM_RESOURCE_DEFINITIONS, object as never);
  seedAll(api, controlPlaneManifests(values, 'linkerd'));
  seedNode(api, 'node-1');
  seedNode(api, 'node-2');
  api.onRaw((path) =>
    path.includes('accessreviews') ? { status: 201, text: '{"status":{"allowed":true}}' } : undefined,
  );
  return api;
}

/** Objects as applied; Deployments become available and get their pods. */
export function seedAll(api: FakeApi, objects: readonly Manifest[]): void {
  for (const object of objects) api.seed(kindOf(object), object as UnknownObject);
  for (const deployment of api.peekAll(DEPLOYMENTS)) {
    const replicas = deployment.spec.replicas ?? 1;
    api.seed(DEPLOYMENTS, {
      ...deployment,
      status: { replicas, availableReplicas: replicas, readyReplicas: replicas },
    });
    const { template } = deployment.spec;
    for (let index = 0; index < replicas; index += 1)
      api.seed(PODS, {
        metadata: {
          namespace: deployment.metadata.namespace ?? '',
          name: `${deployment.metadata.name}-${index}`,
          ...(template.metadata?.labels === undefined ? {} : { labels: template.metadata.labels }),
        },
        spec: { ...template.spec, nodeName: `node-${(index % 2) + 1}` },
        status: {
          phase: 'Running',
          podIP: '10.1.0.9',
          containerStatuses: template.spec.containers.map(({ name }) => ({ name, ready: true, restartCount: 0 })),
        },
      });
  }
}

export function kindOf(object: Pick<Manifest, 'apiVersion' | 'kind'>): ResourceKind<UnknownObject> {
  const lower = object.kind.toLowerCase();
  const plural = lower.endsWith('y') ? `${lower.slice(0, -1)}ies` : lower.endsWith('s') ? `${lower}es` : `${lower}s`;
  return dynamicKind(object.apiVersion, plural, object.kind, !CLUSTER_SCOPED.has(object.kind));
}

/** A Ready node whose kubelet just renewed its Lease, by a clock that is `aheadMs` ahead. */
export function seedNode(api: FakeApi, name: string, aheadMs = 0): void {
  api.seed(NODES, {
    metadata: { name },
    spec: { podCIDRs: ['10.1.0.0/24'] },
    status: { conditions: [{ type: 'Ready', status: 'True' }] },
  });
  api.seed(LEASES, {
    metadata: { namespace: 'kube-node-lease', name },
    spec: { renewTime: new Date(Date.now() + aheadMs).toISOString() },
  });
}

/** Changes an object that is there. */
export function edit<T extends KubeObject>(
  api: FakeApi,
  kind: ResourceKind<T>,
  key: string,
  change: (object: T) => T,
): void {
  const object = api.peek(kind, key);
  if (object === undefined) throw new Error(`no ${kind.kind} ${key} to edit`);
  api.seed(kind, change(object));
}

export function stateOf(api: FakeApi): CheckState {
  return new CheckState('linkerd', () => {
    const client = api.client();
    return Promise.resolve({ client, access: undefined as never, [Symbol.dispose]: () => client[Symbol.dispose]() });
  });
}

/** Runs the categories without waiting. */
export function run(categories: readonly CheckCategory[]): Promise<readonly CategoryOutcome[]> {
  return runChecks(categories, { waitMs: 0, retryMs: 1, signal: new AbortController().signal });
}

/** What came of the check with this anchor; undefined when it was skipped or not reached. */
export function outcomeOf(outcomes: readonly CategoryOutcome[], description: string): CheckOutcome | undefined {
  return outcomes.flatMap((category) => category.checks).find((check) => check.description === description);
}

/** Descriptions and errors of what did not pass. */
export function failures(outcomes: readonly CategoryOutcome[]): readonly string[] {
  return outcomes
    .flatMap((category) => category.checks)
    .filter((check) => check.result !== 'success')
    .map((check) => `${check.result}: ${check.description}: ${check.error ?? ''}`);
}
