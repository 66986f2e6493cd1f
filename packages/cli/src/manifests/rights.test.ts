/**
 * Least rights: what each process is allowed is written down here once more, with the calls that need it, and compared with its roles.
 * The kinds that its source imports are compared too, so that a new watch without a right (or a right without a use) is noticed here
 * and not in somebody's cluster.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import * as kube from '@mesh/kube';
import type { ResourceKind } from '@mesh/kube';
import { installDefaults } from '../values/installed.ts';
import { defaultMulticlusterValues } from '../values/multicluster.ts';
import { controlPlaneManifests } from './control-plane.ts';
import { multiclusterManifests } from './multicluster.ts';
import type { Manifest } from './object.ts';

const PACKAGES = path.resolve(import.meta.dirname, '../../..');

interface Process {
  readonly serviceAccount: string;
  /** Folders of its source. */
  readonly source: readonly string[];
  /** `resource.group` and its verbs, sorted: what the source calls. */
  readonly uses: Readonly<Record<string, string>>;
  /** Kinds that it reads at peers alone, with the rights that these give. */
  readonly atPeers?: readonly string[];
}

const PROCESSES: readonly Process[] = [
  {
    serviceAccount: 'linkerd-identity',
    source: ['control-plane/src/identity'],
    uses: {
      'tokenreviews.authentication.k8s.io': 'create', // One for each certificate.
      events: 'create patch', // EventRecorder.
    },
  },
  {
    serviceAccount: 'linkerd-destination',
    source: ['control-plane/src/destination', 'control-plane/src/policy', 'control-plane/src/live'],
    uses: {
      // ClusterFeed: an informer for each.
      nodes: 'list watch',
      pods: 'list watch',
      services: 'list watch',
      'endpointslices.discovery.k8s.io': 'list watch',
      events: 'create patch', // AnnotationWarnings.
    },
  },
  {
    serviceAccount: 'linkerd-proxy-injector',
    source: ['control-plane/src/injector'],
    uses: {
      namespaces: 'get list watch',
      // EventSubjects: who owns a pod.
      pods: 'get',
      'replicasets.apps': 'get',
      'jobs.batch': 'get',
      // SecretCertificate: these two by name.
      secrets: 'get update',
      'mutatingwebhookconfigurations.admissionregistration.k8s.io': 'get update',
      configmaps: 'get', // MeshConfig: linkerd-config.
      events: 'create patch',
    },
  },
  {
    serviceAccount: 'linkerd-gateway',
    source: ['gateway/src'],
    uses: {
      // What is exported, and to whom.
      services: 'list watch',
      'serviceexports.multicluster.x-k8s.io': 'list watch',
      'exportpolicies.federation.mesh.dev': 'list watch',
      'endpointslices.discovery.k8s.io': 'list watch', // Bridges.
      // Peers; in its own namespace.
      'links.multicluster.linkerd.io': 'list watch',
      'peers.federation.mesh.dev': 'list watch',
    },
  },
  {
    serviceAccount: 'linkerd-clusterset-dns',
    source: ['clusterset-dns/src'],
    uses: {
      // ZoneCaches: an informer for each.
      'serviceimports.multicluster.x-k8s.io': 'list watch',
      'endpointslices.discovery.k8s.io': 'list watch',
    },
  },
  {
    serviceAccount: 'linkerd-service-mirror',
    source: ['mirror/src'],
    atPeers: ['configmaps'],
    uses: {
      // WrittenStore: an informer, reading again after a conflict, and writing.
      services: 'create delete get list update watch',
      'endpointslices.discovery.k8s.io': 'create delete get list update watch',
      namespaces: 'list watch',
      // What peers are shown of pods, and where they run.
      pods: 'list watch',
      nodes: 'list watch',
      // The view: what decides about it, and what it is written into.
      'exportpolicies.federation.mesh.dev': 'list watch',
      'exportedservices.federation.mesh.dev': 'create delete get list update watch',
      'exportedendpoints.federation.mesh.dev': 'create delete get list update watch',
      'peers.federation.mesh.dev': 'list watch',
      'peers/status.federation.mesh.dev': 'patch',
      'serviceexports.multicluster.x-k8s.io': 'list watch',
      'serviceexports/status.multicluster.x-k8s.io': 'patch',
      'serviceimports.multicluster.x-k8s.io': 'create delete get list update watch',
      'serviceimports/status.multicluster.x-k8s.io': 'patch',
      'clusterproperties.about.k8s.io': 'list watch', // How the cluster is called, unless we were told.
      secrets: 'list patch watch', // Credentials and their renewal; in its own namespace.
      'links.multicluster.linkerd.io': 'list patch watch', // The finalizer.
      'links/status.multicluster.linkerd.io': 'patch',
      'leases.coordination.k8s.io': 'create get update', // LeaderElection.
      events: 'create patch',
    },
  },
];

const OBJECTS = [
  ...controlPlaneManifests(installDefaults({ ha: true }), 'linkerd'),
  ...multiclusterManifests({ ...defaultMulticlusterValues(), identityTrustAnchorsPEM: 'A' }, 'linkerd-multicluster'),
];

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

/** Everything that the roles bound to an account allow. */
function rightsOf(serviceAccount: string): Readonly<Record<string, string>> {
  const rights: Record<string, Set<string>> = {};
  const bindings = OBJECTS.filter(
    (object) =>
      object.kind.endsWith('RoleBinding') && JSON.stringify(object['subjects']).includes(`"name":"${serviceAccount}"`),
  );
  for (const binding of bindings) {
    const { kind, name } = binding['roleRef'] as { readonly kind: string; readonly name: string };
    const role = OBJECTS.find((object) => object.kind === kind && object.metadata.name === name) as Manifest;
    for (const rule of role['rules'] as readonly Rule[]) {
      for (const resource of rule.resources) {
        const key = [resource, ...rule.apiGroups.filter((group) => group !== '')].join('.');
        for (const verb of rule.verbs) (rights[key] ??= new Set()).add(verb);
      }
    }
  }
  return Object.fromEntries(Object.entries(rights).map(([key, verbs]) => [key, [...verbs].sort().join(' ')]));
}

/** Kinds that the source names, by `resource.group`. */
function kindsIn(folders: readonly string[]): ReadonlySet<string> {
  const kinds = new Set<string>();
  for (const file of folders.flatMap((folder) => globSync(`${PACKAGES}/${folder}/**/*.ts`))) {
    if (/\.test\.ts$|\/testing\//.test(file)) continue;
    const source = readFileSync(file, 'utf8');
    // Kinds that only one place reads are made there.
    for (const [, group = '', plural = ''] of source.matchAll(
      /group: '([^']*)', version: '[^']*', plural: '([^']*)'/g,
    )) {
      kinds.add([plural, ...(group === '' ? [] : [group])].join('.'));
    }
    for (const [, apiVersion = '', plural = ''] of source.matchAll(/dynamicKind\(\s*'([^']*)',\s*'([^']*)'/g)) {
      const group = apiVersion.includes('/') ? `.${apiVersion.split('/')[0] ?? ''}` : '';
      kinds.add(`${plural}${group}`);
    }
    for (const [, names = ''] of source.matchAll(/import \{([^}]*)\} from '@mesh\/kube'/g)) {
      for (const name of names.split(',').map((part) => part.trim())) {
        if (name === 'EventRecorder') kinds.add('events');
        if (name === 'LeaderElection') kinds.add('leases.coordination.k8s.io');
        if (!/^[A-Z_]+$/.test(name)) continue;
        const kind = (kube as unknown as Readonly<Record<string, Partial<ResourceKind> | undefined>>)[name];
        if (typeof kind?.plural === 'string') kinds.add([kind.plural, ...(kind.group ? [kind.group] : [])].join('.'));
      }
    }
  }
  return kinds;
}

for (const { serviceAccount, source, uses, atPeers = [] } of PROCESSES) {
  test(`${serviceAccount} may do what it does, and nothing else`, () => {
    assert.deepEqual(rightsOf(serviceAccount), uses);
    const allowed = Object.keys(uses).filter((resource) => !resource.includes('/'));
    assert.deepEqual([...kindsIn(source)].sort(), [...allowed, ...atPeers].sort());
  });
}

test('nobody may everything: no rule has a wildcard, and no role is bound to a group', () => {
  for (const object of OBJECTS.filter(({ kind }) => kind.includes('Role'))) {
    assert.ok(!JSON.stringify(object).includes('"*"'), `${object.kind} ${object.metadata.name ?? ''}`);
    assert.ok(!JSON.stringify(object['subjects'] ?? []).includes('"Group"'));
  }
});
