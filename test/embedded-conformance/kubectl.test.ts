/** kubectl believes the embedded cluster: the commands that people type, against a cluster that runs pods. */
import assert from 'node:assert/strict';
import { execFile, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { createCluster } from '@mesh/embedded-cluster';

const PROGRAM = `
const { createServer } = require('node:http');
console.log('hello from the program');
createServer((_request, response) => response.end('ok')).listen(8080);
`;

const MANIFEST = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web, labels: { app: web } }
spec:
  replicas: 1
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - { name: web, image: web, ports: [{ containerPort: 8080 }], readinessProbe: { httpGet: { port: 8080 }, periodSeconds: 1 } }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec: { selector: { app: web }, ports: [{ port: 80, targetPort: 8080 }] }
---
apiVersion: v1
kind: ConfigMap
metadata: { name: settings }
data: { colour: red }
`;

const missing = hasKubectl() ? false : 'kubectl is not installed: install it to run this';

test('kubectl works on an embedded cluster', { skip: missing, timeout: 120_000 }, async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'kubectl-'));
  const kubeconfig = join(folder, 'config');
  const program = join(folder, 'program.cjs');
  writeFileSync(program, PROGRAM);
  writeFileSync(join(folder, 'manifest.yaml'), MANIFEST);
  await using cluster = await createCluster({
    name: 'kubectl',
    images: { web: { command: [process.execPath, program] } },
  });
  writeFileSync(kubeconfig, cluster.kubeconfig);
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder };
  const kubectl = (...args: readonly string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      execFile('kubectl', args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
        if (error === null) resolve(stdout + stderr);
        else reject(new Error(`kubectl ${args.join(' ')}: ${stdout}${stderr}`, { cause: error }));
      });
    });
  try {
    await t.test('apply creates, and says unchanged the second time', async () => {
      assert.match(await kubectl('apply', '-f', join(folder, 'manifest.yaml')), /deployment.apps\/web created/);
      assert.match(await kubectl('apply', '-f', join(folder, 'manifest.yaml')), /deployment.apps\/web unchanged/);
      assert.match(
        await kubectl('apply', '--server-side', '--force-conflicts', '-f', join(folder, 'manifest.yaml')),
        /serverside-applied/,
      );
    });
    await t.test('rollout status, wait and get show the deployment ready', async () => {
      assert.match(await kubectl('rollout', 'status', 'deployment/web', '--timeout=30s'), /successfully rolled out/);
      assert.match(
        await kubectl('wait', '--for=condition=Available', 'deployment/web', '--timeout=30s'),
        /condition met/,
      );
      assert.match(await kubectl('get', 'deployments'), /NAME +READY +UP-TO-DATE +AVAILABLE +AGE\s+web +1\/1 +1 +1 /);
      assert.match(await kubectl('get', 'pods', '-o', 'wide'), /web-\S+ +1\/1 +Running/);
      assert.match(await kubectl('get', 'all'), /service\/web +ClusterIP/);
      assert.equal(await kubectl('get', 'cm', 'settings', '-o', 'jsonpath={.data.colour}'), 'red');
    });
    await t.test('describe, logs and explain read it', async () => {
      assert.match(await kubectl('describe', 'deployment', 'web'), /Replicas: +1 desired/);
      assert.match(await kubectl('describe', 'pods', '-l', 'app=web'), /Status: +Running/);
      assert.match(await kubectl('logs', 'deployment/web'), /hello from the program/);
      assert.match(await kubectl('explain', 'deployment.spec.replicas'), /FIELD: replicas/);
      assert.match(await kubectl('api-resources'), /deployments +deploy +apps\/v1/);
    });
    await t.test('label, annotate, patch, edit-style replace and set change it', async () => {
      await kubectl('label', 'cm', 'settings', 'a=b');
      await kubectl('annotate', 'cm', 'settings', 'note=1');
      await kubectl('patch', 'cm', 'settings', '-p', '{"data":{"size":"big"}}');
      await kubectl(
        'patch',
        'cm',
        'settings',
        '--type=json',
        '-p',
        '[{"op":"replace","path":"/data/colour","value":"blue"}]',
      );
      const map = JSON.parse(await kubectl('get', 'cm', 'settings', '-o', 'json')) as {
        data: Record<string, string>;
        metadata: { labels: Record<string, string> };
      };
      assert.deepEqual(map.data, { colour: 'blue', size: 'big' });
      assert.equal(map.metadata.labels['a'], 'b');
      await kubectl('set', 'env', 'deployment/web', 'X=1');
      await kubectl('rollout', 'restart', 'deployment/web');
      assert.match(await kubectl('rollout', 'status', 'deployment/web', '--timeout=30s'), /successfully rolled out/);
      await kubectl('scale', 'deployment/web', '--replicas=2');
      assert.match(await kubectl('rollout', 'status', 'deployment/web', '--timeout=30s'), /successfully rolled out/);
    });
    await t.test('create and auth can-i, which speak protobuf', async () => {
      assert.match(await kubectl('create', 'configmap', 'made', '--from-literal=k=v'), /created/);
      assert.match(await kubectl('create', 'namespace', 'other'), /created/);
      assert.match(await kubectl('create', 'deployment', 'd', '--image=web', '--replicas=0', '-n', 'other'), /created/);
      assert.match(await kubectl('create', 'serviceaccount', 'robot'), /created/);
      assert.match(await kubectl('create', 'role', 'reader', '--verb=get', '--resource=pods'), /created/);
      assert.match(
        await kubectl('create', 'rolebinding', 'reads', '--role=reader', '--serviceaccount=default:robot'),
        /created/,
      );
      assert.match(await kubectl('auth', 'can-i', 'get', 'pods', '--as=system:serviceaccount:default:robot'), /yes/);
      await assert.rejects(
        kubectl('auth', 'can-i', 'delete', 'pods', '--as=system:serviceaccount:default:robot'),
        /no/,
      );
      assert.match(await kubectl('create', 'token', 'robot'), /^eyJ/);
    });
    await t.test('get -w follows changes', async () => {
      const watch = spawn('kubectl', ['get', 'cm', 'made', '-w', '-o', 'jsonpath={.data.k}{"\\n"}'], { env });
      let seen = '';
      watch.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()));
      try {
        await until(() => seen.includes('v'));
        await kubectl('patch', 'cm', 'made', '-p', '{"data":{"k":"changed"}}');
        await until(() => seen.includes('changed'));
      } finally {
        watch.kill();
      }
    });
    await t.test('mistakes are refused with the reason', async () => {
      writeFileSync(join(folder, 'bad.yaml'), MANIFEST.replace('replicas: 1', 'replicaz: 1'));
      await assert.rejects(kubectl('apply', '-f', join(folder, 'bad.yaml')), /unknown field "spec.replicaz"/);
      await assert.rejects(kubectl('get', 'pod', 'nobody'), /pods "nobody" not found/);
    });
    await t.test('delete removes everything', async () => {
      assert.match(
        await kubectl('delete', '-f', join(folder, 'manifest.yaml'), '--timeout=30s'),
        /deployment.apps "web" deleted/,
      );
      assert.match(await kubectl('delete', 'namespace', 'other', '--timeout=30s'), /deleted/);
      await kubectl('wait', '--for=delete', 'pods', '-l', 'app=web', '--timeout=30s');
      assert.match(await kubectl('get', 'pods'), /No resources found/);
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 20_000;
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'not seen in 20 s');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function hasKubectl(): boolean {
  try {
    execFileSync('kubectl', ['version', '--client'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
