import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import test from 'node:test';
import { installedCluster, stateOf } from '../testing/installed-cluster.ts';
import { link } from '../testing/multicluster-cluster.ts';
import type { CheckCategory } from './check.ts';
import { crdCategory } from './config.ts';
import { diagnosisCategory } from './diagnosis.ts';
import { controlPlaneCategories, kubernetesCategories } from './core.ts';
import { dataPlaneCategories } from './data-plane.ts';
import { extensionCategories } from './extensions.ts';
import { preInstallCategories } from './pre-install.ts';
import { ProbeRun } from './traffic/probe-run.ts';
import { gatewayTrafficCategory, trafficCategory } from './traffic/traffic.ts';

async function allCategories(): Promise<readonly CheckCategory[]> {
  const state = stateOf(await installedCluster());
  const probe = new ProbeRun(state, { namespace: undefined, withServer: true, targets: [] });
  const target = { cluster: 'west', gatewayIdentity: 'gateway', url: 'http://web-west.shop:80/' };
  return [
    ...kubernetesCategories(state),
    ...preInstallCategories(state),
    crdCategory(state),
    ...controlPlaneCategories(state, undefined),
    ...dataPlaneCategories(state, undefined),
    ...(await extensionCategories(state, ['multicluster'])),
    trafficCategory(state, probe),
    gatewayTrafficCategory(probe, [target]),
    diagnosisCategory(
      { namespace: 'shop', name: 'web', link: link('west'), extensionNamespace: 'linkerd-multicluster' },
      state,
      state,
      probe,
    ),
  ];
}

test('docs/check.md explains every check at its anchor, and nothing that is not checked', async () => {
  const page = await readFile(new URL('../../../../docs/check.md', import.meta.url), 'utf8');
  const anchors = [...page.matchAll(/<a id="([^"]+)"><\/a>/g)].map(([, id = '']) => id);
  const hints = new Set((await allCategories()).flatMap((category) => category.checks.map((check) => check.hint)));
  assert.deepEqual(
    [...hints].filter((hint) => !anchors.includes(hint)),
    [],
    'checks without an anchor',
  );
  assert.deepEqual(
    anchors.filter((anchor) => !hints.has(anchor)),
    [],
    'anchors without a check',
  );
  assert.equal(new Set(anchors).size, anchors.length, 'an anchor twice');
});

test('docs/check.md has a section for every category', async () => {
  const page = await readFile(new URL('../../../../docs/check.md', import.meta.url), 'utf8');
  const sections = new Set([...page.matchAll(/^## `([^`]+)`$/gm)].map(([, name = '']) => name));
  assert.deepEqual(
    (await allCategories()).map((category) => category.name).filter((name) => !sections.has(name)),
    [],
  );
});
