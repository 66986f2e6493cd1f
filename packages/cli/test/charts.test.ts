/**
 * Helm renders the charts, and what comes out must be what the command line prints for the same values: object by object, for the
 * defaults, for high availability, and for values drawn at random from their descriptions.
 */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { parse } from 'yaml';
import { controlPlaneManifests } from '../src/manifests/control-plane.ts';
import { crdManifests } from '../src/manifests/crds.ts';
import { multiclusterManifests } from '../src/manifests/multicluster.ts';
import type { Manifest } from '../src/manifests/object.ts';
import { CONTROL_PLANE_SPEC, defaultControlPlaneValues, highAvailability } from '../src/values/control-plane.ts';
import type { ControlPlaneValues } from '../src/values/control-plane.ts';
import { deepMerge } from '../src/values/merge.ts';
import {
  defaultMulticlusterValues,
  highAvailabilityMulticluster,
  MULTICLUSTER_SPEC,
} from '../src/values/multicluster.ts';
import type { MulticlusterValues } from '../src/values/multicluster.ts';
import { faultOf } from '../src/values/spec.ts';
import type { LeafSpec, ValueSpec } from '../src/values/spec.ts';
import { parseManifests, toYaml } from '../src/yaml.ts';

const HELM = process.env['HELM'] ?? 'helm';
const CHARTS = path.resolve(import.meta.dirname, '../../../charts');
const run = promisify(execFile);
const skip =
  spawnSync(HELM, ['version']).status === 0 ? false : `there is no program ${HELM}; install Helm 3, or set HELM to it`;
const RUNS = 12;

let folder = '';
before(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'mesh-charts-'));
});
after(() => rm(folder, { recursive: true, force: true }));

async function helmTemplate(chart: string, ns: string, values: object, more: readonly string[] = []): Promise<string> {
  const file = path.join(folder, 'values.yaml');
  await writeFile(file, toYaml(values));
  const argv = ['template', 'release', path.join(CHARTS, chart), '-n', ns, '-f', file, '--kube-version', '1.33.0'];
  return (await run(HELM, [...argv, ...more], { maxBuffer: 64 << 20 })).stdout;
}

/** Objects by kind, namespace and name; the stored values parsed, since Helm sorts their names. */
function byName(objects: readonly Manifest[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    objects.map((object) => {
      const { name = '', namespace = '' } = object.metadata;
      const data = object['data'] as Readonly<Record<string, string>> | undefined;
      const isConfig = name === 'linkerd-config' && data?.['values'] !== undefined;
      return [
        `${object.kind} ${namespace}/${name}`,
        isConfig ? { ...object, data: { ...data, values: parse(data['values'] ?? '') as unknown } } : object,
      ];
    }),
  );
}

async function assertSame(chart: string, ns: string, values: object, expected: readonly Manifest[]): Promise<void> {
  const rendered = parseManifests(await helmTemplate(chart, ns, values), chart);
  assert.deepEqual(byName(rendered), byName(JSON.parse(JSON.stringify(expected)) as Manifest[]));
}

const CERTIFIED = {
  identityTrustAnchorsPEM: 'ANCHORS\n',
  identity: { issuer: { tls: { crtPEM: 'CRT\n', keyPEM: 'KEY\n' } } },
  proxyInjector: { caBundle: 'CA\n', crtPEM: 'HOOK\n', keyPEM: 'HOOK KEY\n' },
};
const certified = (values: ControlPlaneValues) => deepMerge(CONTROL_PLANE_SPEC, values, CERTIFIED);
const anchored = (values: MulticlusterValues) => ({ ...values, identityTrustAnchorsPEM: 'ANCHORS\n' });

/** Texts that try the quoting; each is used where a value's pattern lets it pass. */
const TEXTS = [
  'other',
  '',
  'a: {{ b }} "c" #d',
  '7s',
  '1500m',
  '64Mi',
  '25,80-90',
  '192.0.2.0/24,fd00::/8',
  '0.5',
  '100',
];

/** Any value that the description allows, its default most often. */
function anyOf(spec: ValueSpec): fc.Arbitrary<unknown> {
  if (spec.kind === 'group') {
    return fc.record(Object.fromEntries(Object.entries(spec.fields).map(([name, field]) => [name, anyOf(field)])));
  }
  const candidates = candidatesFor(spec).filter((value) => faultOf(spec, value) === undefined);
  return fc.oneof({ weight: 2, arbitrary: fc.constant(spec.default) }, fc.constantFrom(...candidates));
}

function candidatesFor(spec: LeafSpec): readonly unknown[] {
  switch (spec.kind) {
    case 'text':
      return [...(spec.oneOf ?? TEXTS), spec.default];
    case 'integer':
      return [0, 1, 3, 4143, 1_000_000, spec.min, spec.default];
    case 'flag':
      return [true, false];
    case 'list':
      return spec.items === 'text' ? [[], ['192.0.2.0/24']] : [[], [{ name: 'a', value: 'b' }, { name: 'c' }]];
    case 'map':
      // Helm lays maps over the defaults, so what a file says is never less than those.
      return [{}, spec.entries === 'text' ? { 'a.b/c': 'true', d: '1' } : { a: { b: [1, 'x'] } }].map((more) => ({
        ...spec.default,
        ...more,
      }));
    default:
      return spec satisfies never;
  }
}

test('chart mesh-crds renders the definitions of mesh install --crds', { skip }, () =>
  assertSame('mesh-crds', 'linkerd', {}, crdManifests()),
);

test('chart mesh-control-plane renders the objects of mesh install', { skip }, async () => {
  for (const values of [defaultControlPlaneValues(), highAvailability(defaultControlPlaneValues())].map(certified)) {
    await assertSame('mesh-control-plane', 'elsewhere', values, controlPlaneManifests(values, 'elsewhere'));
  }
});

test('chart mesh-multicluster renders the objects of mesh multicluster install', { skip }, async () => {
  const defaults = defaultMulticlusterValues();
  for (const values of [defaults, highAvailabilityMulticluster(defaults)].map(anchored)) {
    await assertSame('mesh-multicluster', 'elsewhere', values, multiclusterManifests(values, 'elsewhere'));
  }
});

test('charts and command line agree for any values of the control plane', { skip }, () =>
  fc.assert(
    fc.asyncProperty(anyOf(CONTROL_PLANE_SPEC), async (drawn) => {
      const values = certified(drawn as ControlPlaneValues);
      await assertSame('mesh-control-plane', 'linkerd', values, controlPlaneManifests(values, 'linkerd'));
    }),
    { numRuns: RUNS },
  ),
);

test('charts and command line agree for any values of the multi-cluster extension', { skip }, () =>
  fc.assert(
    fc.asyncProperty(anyOf(MULTICLUSTER_SPEC), async (drawn) => {
      const values = anchored(drawn as MulticlusterValues);
      await assertSame('mesh-multicluster', 'linkerd-mc', values, multiclusterManifests(values, 'linkerd-mc'));
    }),
    { numRuns: RUNS },
  ),
);

test('values-ha.yaml is what --ha means', { skip }, async () => {
  const file = path.join(CHARTS, 'mesh-control-plane/values-ha.yaml');
  const text = await helmTemplate('mesh-control-plane', 'linkerd', CERTIFIED, ['-f', file]);
  const values = certified(highAvailability(defaultControlPlaneValues()));
  assert.deepEqual(
    byName(parseManifests(text)),
    byName(JSON.parse(JSON.stringify(controlPlaneManifests(values, 'linkerd'))) as Manifest[]),
  );
});

test('a chart without anchors or issuer says which value is missing and how to give it', { skip }, async () => {
  await assert.rejects(
    helmTemplate('mesh-control-plane', 'linkerd', {}),
    /identityTrustAnchorsPEM is missing.*--set-file/,
  );
  await assert.rejects(
    helmTemplate('mesh-control-plane', 'linkerd', { identityTrustAnchorsPEM: 'A' }),
    /identity\.issuer\.tls\.crtPEM is missing/,
  );
  await assert.rejects(helmTemplate('mesh-multicluster', 'mc', {}), /no trust anchors/);
});

test('Helm refuses misspelt names and bad values', { skip }, async () => {
  const with_ = (over: object) => helmTemplate('mesh-control-plane', 'linkerd', { ...CERTIFIED, ...over });
  await assert.rejects(with_({ controllerReplica: 2 }), /controllerReplica/);
  await assert.rejects(with_({ webhookFailurePolicy: 'Maybe' }), /webhookFailurePolicy/);
  await assert.rejects(with_({ proxy: { inboundConnectTimeout: 'soon' } }), /inboundConnectTimeout/);
});

test('numbers that people write without quotes are texts where texts are needed', { skip }, async () => {
  const text = await helmTemplate('mesh-control-plane', 'linkerd', {
    ...CERTIFIED,
    proxy: { opaquePorts: 25 },
    identityResources: { cpu: { limit: 2 }, memory: { limit: 1_073_741_824 } },
  });
  const find = (name: string) =>
    parseManifests(text).find((object) => object.kind === 'Deployment' && object.metadata.name === name);
  assert.match(JSON.stringify(find('linkerd-destination')), /"MESH_DEFAULT_OPAQUE_PORTS","value":"25"/);
  assert.match(JSON.stringify(find('linkerd-identity')), /"limits":\{"cpu":"2","memory":"1073741824"\}/);
});

test('rendering twice gives the same bytes: an upgrade changes only what somebody changed', { skip }, async () => {
  const values = { ...CERTIFIED, proxyInjector: {} };
  const first = await helmTemplate('mesh-control-plane', 'linkerd', values);
  assert.equal(await helmTemplate('mesh-control-plane', 'linkerd', values), first);
});
