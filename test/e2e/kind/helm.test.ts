/** The three charts, installed, upgraded and removed by Helm itself, in the order that docs/install.md tells. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, suite, test } from 'node:test';
import { CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, NAMESPACES } from '@mesh/kube';
import { MC_NAMESPACE, persistentTrust } from '../../../scripts/home/install-mesh.ts';
import type { KindHome, KindMember } from '../../../scripts/home/kind-home.ts';
import { runProgram, tryProgram } from '../../../scripts/home/program.ts';
import { rolloutDone } from '../../../scripts/home/rollout.ts';
import { deployShop, SHOP } from '../../../scripts/home/shop.ts';
import { uninstall } from '../clean-slate.ts';
import type { Federation } from '../federation.ts';
import { isMeshed, openKindFederation, podOf, SKIP } from './workloads.ts';

const CHARTS = path.resolve(import.meta.dirname, '../../../charts');
const RELEASES = [
  ['mesh-crds', 'linkerd'],
  ['mesh-control-plane', 'linkerd'],
  ['mesh-multicluster', MC_NAMESPACE],
] as const;
const TIMEOUT = ['--wait', '--timeout', '180s'];

suite('charts', { skip: SKIP === false ? await helmMissing() : SKIP }, () => {
  let federation: Federation;
  let home: KindHome;
  let east: KindMember;
  let trust: readonly string[];

  before(async () => {
    ({ federation, home } = await openKindFederation());
    east = home.cluster('east');
    const [, anchors = '', , certificate = '', , key = ''] = (await persistentTrust(home)).get('east') ?? [];
    trust = [
      '--set-file',
      `identityTrustAnchorsPEM=${anchors}`,
      '--set-file',
      `identity.issuer.tls.crtPEM=${certificate}`,
      '--set-file',
      `identity.issuer.tls.keyPEM=${key}`,
    ];
    await uninstall(east);
  });

  after(async () => {
    if (east !== undefined) await takeBack();
    await federation?.[Symbol.asyncDispose]();
  });

  function helm(...args: readonly string[]): Promise<string> {
    return runProgram('helm', ['--kubeconfig', home.kubeconfig, '--kube-context', east.name, ...args]);
  }

  /** Whatever of it is there: the releases with their namespaces. What is opened next installs the usual mesh. */
  async function takeBack(): Promise<void> {
    for (const [release, namespace] of [...RELEASES].reverse()) {
      await helm('uninstall', release, '-n', namespace, '--ignore-not-found', ...TIMEOUT);
    }
    for (const name of [SHOP, MC_NAMESPACE, 'linkerd']) {
      await east.remove([{ apiVersion: 'v1', kind: 'Namespace', metadata: { name } }]);
    }
  }

  test('installed in order, all is available, and mesh check has nothing to say', async () => {
    await helm(
      'install',
      'mesh-crds',
      path.join(CHARTS, 'mesh-crds'),
      '-n',
      'linkerd',
      '--create-namespace',
      ...TIMEOUT,
    );
    const labels = {
      'linkerd.io/is-control-plane': 'true',
      'config.linkerd.io/admission-webhooks': 'disabled',
      'linkerd.io/control-plane-ns': 'linkerd',
      'pod-security.kubernetes.io/enforce': 'restricted',
    };
    await east.client.patch(NAMESPACES, { name: 'linkerd' }, { type: 'merge', body: { metadata: { labels } } });
    await helm(...controlPlane('install'));
    await helm(...extension('install'), '--create-namespace');
    const { code, stdout } = await east.mesh(['check']);
    assert.equal(code, 0, stdout);
  });

  test('pods are injected and answer', async () => {
    await deployShop(east);
    assert.ok(isMeshed(await podOf(east, SHOP, 'web')));
    await federation.customer('load', { home: 'http://web/' });
    await federation.request('home', 0);
  });

  test('an upgrade that changes nothing starts no pod anew', async () => {
    const before = await generations();
    await helm(...controlPlane('upgrade'));
    await helm(...extension('upgrade'));
    assert.deepEqual(await generations(), before);
  });

  test('an upgrade with a value changes what it says', async () => {
    await helm(...controlPlane('upgrade'), '--set', 'controllerLogLevel=debug');
    const { items } = await east.client.list(DEPLOYMENTS, { namespace: 'linkerd' });
    await rolloutDone(
      east.client,
      'linkerd',
      items.map((item) => item.metadata.name),
    );
    assert.ok(items.every((item) => JSON.stringify(item.spec).includes('debug')));
  });

  test('removed, they leave no definition', async () => {
    await takeBack();
    const { items } = await east.client.list(CUSTOM_RESOURCE_DEFINITIONS);
    const left = items
      .map((item) => item.metadata.name)
      .filter((name) => /linkerd\.io|federation\.mesh\.dev/.test(name));
    assert.deepEqual(left, []);
  });

  function controlPlane(verb: string): readonly string[] {
    const chart = path.join(CHARTS, 'mesh-control-plane');
    return [verb, 'mesh-control-plane', chart, '-n', 'linkerd', ...trust, ...east.installFlags, ...TIMEOUT];
  }

  function extension(verb: string): readonly string[] {
    return [verb, 'mesh-multicluster', path.join(CHARTS, 'mesh-multicluster'), '-n', MC_NAMESPACE, ...TIMEOUT];
  }

  async function generations(): Promise<readonly string[]> {
    const lists = await Promise.all(
      ['linkerd', MC_NAMESPACE].map((namespace) => east.client.list(DEPLOYMENTS, { namespace })),
    );
    return lists.flatMap(({ items }) => items.map(({ metadata }) => `${metadata.name} ${metadata.generation}`));
  }
});

async function helmMissing(): Promise<string | false> {
  const found = await tryProgram('helm', ['version']).catch(() => undefined);
  return found?.code === 0 ? false : 'needs helm on PATH';
}
