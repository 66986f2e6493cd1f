/** The pure parts of the node. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Container, Pod } from '../controllers/kinds.ts';
import { ContainerLogs } from './container-logs.ts';
import { fieldValue, resourceValue } from './downward.ts';
import { containerVariables } from './environment.ts';
import { expand, translatePaths } from './expansion.ts';
import { argumentVector, findImage } from './images.ts';
import { parseProxyInit } from './proxy-init.ts';

const ADDRESSES = { podIp: '127.9.16.2', hostIp: '127.9.0.1' };

function pod(container: Partial<Container> = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-0', namespace: 'shop', uid: 'u', labels: { app: 'web' }, annotations: { 'a/b': 'c' } },
    spec: { nodeName: 'n', containers: [{ name: 'main', image: 'x', ...container }] },
  };
}

test('images are found by reference, without tag, or by their last segment', () => {
  const images = { 'mesh-proxy': { command: ['a'] }, 'ghcr.io/x/shop': { command: ['b'] } };
  assert.deepEqual(findImage(images, 'registry:5000/y/mesh-proxy:v1').command, ['a']);
  assert.deepEqual(findImage(images, 'mesh-proxy@sha256:00').command, ['a']);
  assert.deepEqual(findImage(images, 'ghcr.io/x/shop:2').command, ['b']);
  assert.throws(() => findImage(images, 'nginx'), { code: 'unknown_image', message: /ghcr\.io\/x\/shop, mesh-proxy/ });
});

test("a container's command replaces the image's, its arguments replace the image's arguments", () => {
  const image = {
    command: ['run'],
    args: ['default'],
    programs: { node: '/opt/node', await: ['/opt/bun', 'await.ts'] },
  };
  assert.deepEqual(argumentVector(image, {}), ['run', 'default']);
  assert.deepEqual(argumentVector(image, { args: ['x'] }), ['run', 'x']);
  assert.deepEqual(argumentVector(image, { command: ['node'] }), ['/opt/node']);
  assert.deepEqual(argumentVector(image, { command: ['await', '-p'] }), ['/opt/bun', 'await.ts', '-p']);
});

test('references expand once, unknown ones stay, and $$ escapes', () => {
  assert.equal(expand('$(A)/$(B)/$$(A)', { A: '$(B)' }), '$(B)/$(B)/$(A)');
  fc.assert(
    fc.property(fc.string(), (text) => expand(text.replaceAll('$', ''), { A: 'x' }) === text.replaceAll('$', '')),
  );
});

test('mount paths are replaced as whole path prefixes only', () => {
  const mounts = [
    ['/etc/a', '/real/a'],
    ['/etc/a/b', '/real/b'],
  ] as const;
  assert.equal(translatePaths('/etc/a/x', mounts), '/real/a/x');
  assert.equal(translatePaths('--dir=/etc/a/b,/etc/a', mounts), '--dir=/real/b,/real/a');
  assert.equal(translatePaths('/etc/abc /x/etc/a', mounts), '/etc/abc /x/etc/a');
  assert.equal(translatePaths('http://host/etc/a', mounts), 'http://host/etc/a');
});

test('the downward API gives fields and resources', () => {
  assert.equal(fieldValue(pod(), "metadata.annotations['a/b']", ADDRESSES), 'c');
  assert.equal(fieldValue(pod(), 'metadata.labels', ADDRESSES), 'app="web"');
  assert.equal(fieldValue(pod(), 'status.podIPs', ADDRESSES), '127.9.16.2');
  assert.throws(() => fieldValue(pod(), 'spec.x', ADDRESSES), { code: 'unsupported_field' });
  const container = { name: 'm', image: 'x', resources: { limits: { cpu: '1500m', memory: '1Gi' } } };
  assert.equal(resourceValue(container, 'limits.cpu', undefined), '2');
  assert.equal(resourceValue(container, 'requests.memory', '1Mi'), '1024');
});

test('a missing reference names itself; an optional one is left out', () => {
  const sources = { configMap: () => undefined, secret: () => undefined, services: () => [] };
  const env = (optional: boolean): Container['env'] => [
    { name: 'X', valueFrom: { secretKeyRef: { name: 's', key: 'k', optional } } },
  ];
  const from = (optional: boolean): Record<string, string> => {
    const made = pod({ env: env(optional) ?? [] });
    return containerVariables(made, made.spec.containers[0] as Container, ADDRESSES, sources);
  };
  assert.deepEqual(from(true), {});
  assert.throws(() => from(false), { code: 'missing_reference', message: 'secret "s" not found' });
});

test('proxy-init reads ports, ranges and user, ignores what concerns iptables, and refuses nonsense', () => {
  const args = [
    '--firewall-bin-path',
    'iptables-nft',
    '--ipv6=false',
    '--proxy-uid',
    '2102',
    '--inbound-ports-to-ignore',
    '4190,4191,4567-4568',
  ];
  assert.deepEqual(parseProxyInit(args), {
    inboundPort: 4143,
    outboundPort: 4140,
    proxyUid: 2102,
    inboundIgnore: [
      [4190, 4190],
      [4191, 4191],
      [4567, 4568],
    ],
    outboundIgnore: [],
  });
  assert.throws(() => parseProxyInit(['--incoming-proxy-port', 'x']), {
    code: 'bad_argument',
    message: /incoming-proxy-port/,
  });
});

test('logs keep the run before, follow, and stay bounded', () => {
  const logs = new ContainerLogs();
  logs.begin();
  logs.append('first');
  assert.equal(logs.hasPrevious, false);
  logs.begin();
  const seen: (string | undefined)[] = [];
  logs.follow((line) => seen.push(line?.text));
  for (let i = 0; i < 12_000; i += 1) logs.append(String(i));
  logs.close();
  assert.deepEqual(
    logs.lines({ previous: true }).map((line) => line.text),
    ['first'],
  );
  assert.ok(logs.lines({}).length <= 5_000);
  assert.equal(logs.lines({ tailLines: 1 })[0]?.text, '11999');
  assert.equal(seen.length, 12_001);
  assert.equal(seen.at(-1), undefined);
});
