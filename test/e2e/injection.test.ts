/** Who gets a sidecar, in which order, and what is said to those who get none. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { EVENTS, MUTATING_WEBHOOKS, NAMESPACES, PODS, SECRETS } from '@mesh/kube';
import type { Event, Pod, WebhookConfiguration } from '@mesh/kube';
import type { Manifest } from '@mesh/cli';
import type { Home, HomeCluster } from '../../scripts/home/home.ts';
import { podsOf, rolloutDone } from '../../scripts/home/rollout.ts';
import { until } from '../../scripts/home/wait.ts';
import { TEST_LABEL } from './clean-slate.ts';
import { openHome } from './homes.ts';

const NAMESPACE = 'injection';
const CERTIFICATE = { namespace: 'linkerd', name: 'linkerd-proxy-injector-k8s-tls' };
/** Only a hang reaches it. */
const WAIT_MS = 120_000;
const WEBHOOK = 'linkerd-proxy-injector-webhook-config';

let home: Home;
let cluster: HomeCluster;

before(async () => {
  home = await openHome();
  cluster = home.cluster('east');
  await cluster.apply([
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: {
        name: NAMESPACE,
        labels: { [TEST_LABEL.key]: TEST_LABEL.value },
        annotations: { 'linkerd.io/inject': 'enabled' },
      },
    },
  ]);
});

after(async () => {
  await cluster?.client.delete(NAMESPACES, { name: NAMESPACE });
  await home?.[Symbol.asyncDispose]();
});

function pricing(name: string, annotations: Readonly<Record<string, string>>): Manifest {
  const labels = { app: name };
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      replicas: 1,
      selector: { matchLabels: labels },
      template: {
        metadata: { labels, annotations },
        spec: {
          terminationGracePeriodSeconds: 5,
          containers: [
            {
              name: 'pricing',
              image: 'shop:1',
              imagePullPolicy: 'IfNotPresent',
              args: ['pricing'],
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/healthz', port: 'http' }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  };
}

async function podOf(name: string): Promise<Pod> {
  await rolloutDone(cluster.client, NAMESPACE, [name]);
  const [pod] = await podsOf(cluster.client, NAMESPACE, `app=${name}`);
  return pod ?? assert.fail(`${name} has no pod`);
}

test('in the classic order the sidecar is the first container, and is ready before the application starts', async () => {
  await cluster.apply([pricing('classic', { 'config.linkerd.io/proxy-enable-native-sidecar': 'false' })]);
  const { spec } = await podOf('classic');
  assert.deepEqual(
    spec.containers.map((one) => one.name),
    ['linkerd-proxy', 'pricing'],
  );
  assert.deepEqual(
    spec.initContainers?.map((one) => one.name),
    ['linkerd-init'],
  );
});

test('who writes true gets no sidecar, and a warning on the Deployment that says what to write', async () => {
  await cluster.apply([pricing('hopeful', { 'linkerd.io/inject': 'true' })]);
  const { spec } = await podOf('hopeful');
  assert.equal(spec.initContainers, undefined);
  const told = async (): Promise<Event | undefined> => {
    const { items } = await cluster.client.list(EVENTS, { namespace: NAMESPACE });
    return items.find(
      ({ reason, involvedObject }) => reason === 'InjectionSkipped' && involvedObject.kind === 'Deployment',
    );
  };
  const event = await until('the warning', told, { timeoutMs: WAIT_MS });
  assert.equal(event.type, 'Warning');
  assert.equal(event.involvedObject.name, 'hopeful');
  assert.match(event.message ?? '', /"true".*enabled, ingress or disabled/);
});

test('a pod with an annotation that would leave it open by a typing error is refused', async () => {
  const { metadata, spec } = await podOf('classic');
  const { containers } = spec;
  const object: Pod = {
    metadata: {
      name: 'guarded',
      namespace: metadata.namespace ?? NAMESPACE,
      annotations: { 'config.linkerd.io/default-inbound-policy': 'dney' },
    },
    spec: {
      containers: containers.filter((one) => one.name === 'pricing').map(({ name, image = '' }) => ({ name, image })),
    },
  };
  await assert.rejects(cluster.client.create(PODS, object), /default-inbound-policy: "dney" cannot be used: give/);
});

test('an injector whose certificate is gone makes another, which the API server trusts', async () => {
  const bundle = async (): Promise<string> => {
    const configuration: WebhookConfiguration | undefined = await cluster.client.get(MUTATING_WEBHOOKS, {
      name: WEBHOOK,
    });
    const first = configuration?.webhooks?.[0] as
      | { readonly clientConfig?: { readonly caBundle?: string } }
      | undefined;
    return first?.clientConfig?.caBundle ?? '';
  };
  const before = await bundle();
  assert.notEqual(before, '');
  const body = { data: { 'tls.crt': null, 'tls.key': null } };
  await cluster.client.patch(SECRETS, CERTIFICATE, { type: 'merge', body });
  const renewed = async (): Promise<boolean> => {
    const secret = await cluster.client.get(SECRETS, CERTIFICATE);
    return (secret?.data?.['tls.crt'] ?? '') !== '';
  };
  await until('a new certificate', renewed, { timeoutMs: WAIT_MS });
  assert.ok((await bundle()).length > before.length, 'the old authority stays beside the new one');
  await cluster.apply([pricing('later', {})]);
  const { spec } = await podOf('later');
  assert.deepEqual(
    spec.initContainers?.map((one) => one.name),
    ['linkerd-init', 'linkerd-proxy'],
  );
});
