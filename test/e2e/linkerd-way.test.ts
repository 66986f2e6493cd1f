/** A Link as Linkerd's own tools make it: an account that may read all Services, a token that does not expire, no Peer. It works as it always has. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { linkAsLinkerd } from '../../scripts/home/install-mesh.ts';
import { labelService, serviceExists } from '../../scripts/home/shop.ts';
import { failures, Federation } from './federation.ts';

let federation: Federation;

before(async () => {
  federation = await Federation.open();
  await federation.deployShops();
  await linkAsLinkerd(federation.east, federation.west);
});

after(() => federation?.[Symbol.asyncDispose]());

test('exports of a peer that shows no view are followed through its Services', async () => {
  const link = await federation.link(federation.east, 'west');
  const annotations = Object.keys(link?.metadata.annotations ?? {});
  assert.deepEqual(
    annotations.filter((name) => name.startsWith('federation.mesh.dev/')),
    [],
  );
  await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': 'true' });
  await serviceExists(federation.east, 'catalog-west', true);
  await federation.customer('load', { west: 'http://web/browse?store=west' });
  await federation.request('west', 0);
  assert.deepEqual(failures(await federation.watch('west', 25)), []);
});

test('its credentials are told to be static', async () => {
  const { message } = await federation.condition(federation.east, 'west', 'CredentialsValid', 'True', {
    message: /does not expire/,
  });
  assert.match(message, /accepts the credentials/);
});

test('what is no longer exported goes', async () => {
  await labelService(federation.west, 'catalog', { 'mirror.linkerd.io/exported': undefined });
  await serviceExists(federation.east, 'catalog-west', false);
});
