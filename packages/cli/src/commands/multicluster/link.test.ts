import assert from 'node:assert/strict';
import test from 'node:test';
import { NODES } from '@mesh/kube';
import type { Link } from '@mesh/kube';
import { matchGolden, mesh } from '../../testing/harness.ts';
import { installed, MC, seedAccount } from '../../testing/multicluster-cluster.ts';
import { parseManifests } from '../../yaml.ts';

test('link prints credentials and a Link', async () => {
  const { code, stdout } = await mesh('multicluster link --cluster-name west', { api: installed() });
  assert.equal(code, 0);
  await matchGolden('link.yaml', stdout);
});

test('link and link-gen print the same', async () => {
  const api = installed();
  const [link, gen] = await Promise.all([
    mesh('mc link --cluster-name west', { api }),
    mesh('mc link-gen --cluster-name west', { api }),
  ]);
  assert.equal(link.stdout, gen.stdout);
});

test('link refuses a gateway without address and says what to do', async () => {
  const { code, stderr, stdout } = await mesh('mc link --cluster-name west', { api: installed({ ingress: false }) });
  assert.equal(code, 1);
  assert.equal(stdout, '');
  assert.match(stderr, /linkerd-multicluster\/linkerd-gateway .*--gateway-addresses/);
});

test('link without gateway has no selector for exported services', async () => {
  const { stdout } = await mesh('mc link --cluster-name west --gateway=false', { api: installed({ ingress: false }) });
  const link = parseManifests(stdout).find((object) => object.kind === 'Link') as unknown as Link;
  assert.equal(link.spec.selector, undefined);
  assert.equal(link.spec.gatewayAddress, undefined);
});

test('link names the account that is missing', async () => {
  const { code, stderr } = await mesh('mc link --cluster-name west --service-account-name nobody', {
    api: installed(),
  });
  assert.equal(code, 1);
  assert.match(stderr, /mesh multicluster allow --service-account-name nobody/);
});

test('link refuses names that cannot be part of a Service name', async () => {
  const { code, stderr } = await mesh('mc link --cluster-name West_1', { api: installed() });
  assert.equal(code, 1);
  assert.match(stderr, /--cluster-name West_1/);
});

test('link refuses a selector that is none', async () => {
  const { code, stderr } = await mesh(['mc', 'link', '--cluster-name', 'west', '-l', 'a=b,??'], { api: installed() });
  assert.equal(code, 1);
  assert.match(stderr, /--selector a=b,\?\?/);
});

test('the token ends, unless one that does not is asked for', async () => {
  const api = installed();
  const tokens = async (flags: string): Promise<string> => {
    const { stdout, stderr } = await mesh(`mc link --cluster-name west ${flags}`, { api });
    assert.equal(stderr, '');
    const secret = parseManifests(stdout).find(({ kind }) => kind === 'Secret') as unknown as {
      readonly data: { readonly kubeconfig: string };
    };
    const text = Buffer.from(secret.data.kubeconfig, 'base64').toString('utf8');
    return /token: (\S+)/.exec(text)?.[1] ?? '';
  };
  assert.equal(await tokens(''), `TOKEN-FOR-${24 * 3600}`);
  assert.equal(await tokens('--credentials-duration 30m'), 'TOKEN-FOR-1800');
  assert.equal(await tokens('--static-credentials'), 'STATIC');
});

test('the mirror of the other cluster may renew both Secrets of the Link, and no other', async () => {
  const { stdout } = await mesh('mc link --cluster-name west', { api: installed() });
  const role = parseManifests(stdout).find(({ kind }) => kind === 'Role');
  assert.equal(role?.metadata.namespace, 'linkerd');
  assert.deepEqual(role?.['rules'], [
    { apiGroups: [''], resources: ['secrets'], resourceNames: ['cluster-credentials-west'], verbs: ['get', 'patch'] },
  ]);
  const fixed = await mesh('mc link --cluster-name west --static-credentials', { api: installed() });
  assert.doesNotMatch(fixed.stdout, /kind: Role/);
});

test('a token for less than ten minutes is refused, and what is no duration', async () => {
  for (const text of ['5m', 'soon']) {
    const { code, stderr } = await mesh(`mc link --cluster-name west --credentials-duration ${text}`, {
      api: installed(),
    });
    assert.equal(code, 1);
    assert.match(stderr, new RegExp(`--credentials-duration ${text}: give a duration of at least 10m`));
  }
});

async function annotationsOf(flags: string, access: 'exports' | 'cluster'): Promise<Readonly<Record<string, string>>> {
  const api = installed({ access });
  seedAccount(api, 'mesh-peer-east', 'exports');
  const { stdout, stderr } = await mesh(`mc link --cluster-name west ${flags}`, { api });
  assert.equal(stderr, '');
  const { 'linkerd.io/created-by': _createdBy, ...rest } =
    parseManifests(stdout).find(({ kind }) => kind === 'Link')?.metadata.annotations ?? {};
  return rest;
}

test('a Link says which exports it reads: those for the peer, those for all, or, with rights of Linkerd, none', async () => {
  assert.deepEqual(await annotationsOf('--peer east', 'cluster'), {
    'federation.mesh.dev/peer': 'east',
    'federation.mesh.dev/export-namespaces': `${MC},mesh-peer-east`,
  });
  assert.deepEqual(await annotationsOf('', 'exports'), { 'federation.mesh.dev/export-namespaces': MC });
  assert.deepEqual(await annotationsOf('', 'cluster'), {});
});

test('a peer that was not allowed is told how to be', async () => {
  const { code, stderr } = await mesh('mc link --cluster-name west --peer north', { api: installed() });
  assert.equal(code, 1);
  assert.match(
    stderr,
    /mesh-peer-north is missing; apply the output of mesh multicluster allow --peer north here first/,
  );
});

test('a peer and an account exclude each other', async () => {
  const { code, stderr } = await mesh('mc link --cluster-name west --peer east --service-account-name one', {
    api: installed(),
  });
  assert.equal(code, 1);
  assert.match(stderr, /--peer east has an account of its own, mesh-peer-east/);
});

test("the gateway's address and port are checked before they are in a Link", async () => {
  const api = installed();
  const link = (flags: string) => mesh(`mc link --cluster-name west ${flags}`, { api });
  assert.match((await link('--gateway-addresses gw:4143')).stderr, /--gateway-addresses gw:4143: "gw:4143" is neither/);
  assert.match((await link('--gateway-port 70000')).stderr, /--gateway-port 70000: expected a whole number/);
  const { stdout } = await link('--gateway-addresses 192.0.2.1,gw.example --gateway-port 4243');
  assert.match(stdout, /gatewayAddress: 192\.0\.2\.1,gw\.example\n.*\n\s+gatewayPort: "4243"/);
});

/** Zones in the Link that comes of these flags; nodes as they are seeded, or nobody may read them. */
async function zonesOf(flags: readonly string[], nodes: 'readable' | 'forbidden' = 'readable'): Promise<unknown> {
  const api = installed();
  for (const [name, zone] of [
    ['n1', 'eu-1a'],
    ['n2', 'eu-1b'],
    ['n3', ''],
  ] as const) {
    api.seed(NODES, {
      metadata: { name, labels: zone === '' ? {} : { 'topology.kubernetes.io/zone': zone } },
      status: {
        addresses: [
          { type: 'InternalIP', address: `10.0.0.${name.slice(1)}` },
          { type: 'ExternalIP', address: `192.0.2.${name.slice(1)}` },
          { type: 'Hostname', address: `${name}.example` },
        ],
      },
    });
  }
  if (nodes === 'forbidden') api.fault({ code: 'forbidden', match: ({ resource }) => resource.startsWith('nodes') });
  const { code, stdout, stderr } = await mesh(['mc', 'link', '--cluster-name', 'west', ...flags], { api });
  assert.equal(code, 0, stderr);
  const found = parseManifests(stdout).find(({ kind }) => kind === 'Link');
  return found?.metadata.annotations?.['federation.mesh.dev/gateway-zones'];
}

test("addresses that are nodes' have the zones of these, as far as the nodes tell, and nobody needs to tell", async () => {
  const addresses = ['--gateway-addresses', '192.0.2.1,n2.example,192.0.2.3,gw.example'];
  assert.equal(await zonesOf(addresses), '192.0.2.1=eu-1a,n2.example=eu-1b');
  assert.equal(await zonesOf(['--gateway-addresses', '10.0.0.2']), '10.0.0.2=eu-1b');
  assert.equal(await zonesOf([]), undefined);
  assert.equal(await zonesOf(addresses, 'forbidden'), undefined);
});

test('zones that are given count instead of those of nodes, and an empty list is none', async () => {
  const addresses = ['--gateway-addresses', '192.0.2.1,gw.example,2001:db8::1'];
  assert.equal(
    await zonesOf([...addresses, '--gateway-zones', 'gw.example=a, 2001:db8::1=b']),
    'gw.example=a,2001:db8::1=b',
  );
  assert.equal(await zonesOf([...addresses, '--gateway-zones', 'gw.example=a'], 'forbidden'), 'gw.example=a');
  assert.equal(await zonesOf([...addresses, '--gateway-zones=']), undefined);
  assert.equal(await zonesOf([...addresses, '--gateway-zones', '']), undefined);
});

test('a zone that is none, or of an address that the gateway has not, is refused with the fix', async () => {
  for (const [zones, why] of [
    ['gw.example', /"gw\.example" is not ADDRESS=ZONE; separate several by commas/],
    ['gw.example=a=b', /"gw\.example=a=b" is not ADDRESS=ZONE/],
    [
      '192.0.2.9=a',
      /"192\.0\.2\.9" is not among the gateway's addresses; write it as it is there: 198\.51\.100\.7, gw\.example/,
    ],
    ['gw.example=eu 1', /"eu 1" is no zone's name; give gw\.example the label topology\.kubernetes\.io\/zone/],
    ['gw.example=', /"" is no zone's name/],
    ['gw.example=a,gw.example=b', /gw\.example is in "a" and in "b"; give it one zone/],
  ] as const) {
    const { code, stdout, stderr } = await mesh(['mc', 'link', '--cluster-name', 'west', '--gateway-zones', zones], {
      api: installed(),
    });
    assert.equal(code, 1);
    assert.equal(stdout, '');
    assert.match(stderr, why);
    assert.ok(stderr.includes(`--gateway-zones ${zones}: `));
  }
});
