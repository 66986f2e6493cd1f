/** The checks of `mesh check`, in Linkerd's categories and words. */
import { CUSTOM_RESOURCE_DEFINITIONS, DEPLOYMENTS, MUTATING_WEBHOOKS, PODS, SECRETS } from '@mesh/kube';
import type { Deployment } from '@mesh/kube';
import { checkValidity, loadIssuer, parseCertificate, parseCertificates } from '@mesh/pki';
import type { Certificate } from '@mesh/pki';
import { crdManifests } from '../manifests/crds.ts';
import { isMeshed } from '../pod-metrics.ts';
import { MESH_VERSION } from '../version.ts';
import { SkipCheck } from './check.ts';
import type { Check, CheckCategory } from './check.ts';
import { clusterNetworkChecks } from './cluster-networks.ts';
import type { CheckState } from './state.ts';

/** Kubernetes releases that have native sidecars on by default. */
const MINIMUM_KUBERNETES = [1, 29] as const;
const SIXTY_DAYS_MS = 60 * 86_400_000;

export function kubernetesCategories(state: CheckState): readonly CheckCategory[] {
  return [
    {
      name: 'kubernetes-api',
      checks: [
        {
          description: 'can initialize the client',
          hint: 'k8s-api',
          fatal: true,
          run: async () => void (await state.connection()),
        },
        {
          description: 'can query the Kubernetes API',
          hint: 'k8s-api',
          fatal: true,
          run: async () => void (await kubernetesVersion(state)),
        },
      ],
    },
    {
      name: 'kubernetes-version',
      checks: [
        {
          description: 'is running the minimum Kubernetes API version',
          hint: 'k8s-version',
          run: async () => {
            const [major, minor] = await kubernetesVersion(state);
            if (major > MINIMUM_KUBERNETES[0] || (major === MINIMUM_KUBERNETES[0] && minor >= MINIMUM_KUBERNETES[1]))
              return;
            throw new Error(
              `Kubernetes is on version ${major}.${minor}, but version ${MINIMUM_KUBERNETES.join('.')} or more recent is required`,
            );
          },
        },
      ],
    },
  ];
}

async function kubernetesVersion(state: CheckState): Promise<readonly [number, number]> {
  const { client } = await state.connection();
  const { status, text } = await client.raw('/version');
  if (status !== 200) throw new Error(`${client.server}/version answered ${status}`);
  const version = JSON.parse(text) as { readonly major?: string; readonly minor?: string };
  return [Number.parseInt(version.major ?? '0', 10), Number.parseInt(version.minor ?? '0', 10)];
}

/** `mesh check --pre`: may this user install here? */
export function preInstallCategory(state: CheckState): CheckCategory {
  const can = (verb: string, group: string, resource: string, namespaced: boolean): Check => ({
    description: `can ${verb} ${resource[0]?.toUpperCase() ?? ''}${resource.slice(1)}`,
    hint: 'pre-k8s-cluster-k8s',
    run: async () => {
      const { client } = await state.connection();
      const namespace = namespaced ? { namespace: state.controlPlaneNamespace } : {};
      const { status, text } = await client.raw('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        method: 'POST',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: { verb, group, resource, ...namespace } },
        },
      });
      const review =
        status < 300
          ? (JSON.parse(text) as { readonly status?: { readonly allowed?: boolean; readonly reason?: string } })
          : undefined;
      if (review?.status?.allowed === true) return;
      throw new Error(
        `missing permissions to ${verb} ${resource}${review?.status?.reason ? `: ${review.status.reason}` : ''}`,
      );
    },
  });
  return {
    name: 'pre-kubernetes-setup',
    checks: [
      {
        description: 'control plane namespace does not already exist',
        hint: 'pre-ns',
        run: async () => {
          const { client } = await state.connection();
          const { items } = await client.list(DEPLOYMENTS, { namespace: state.controlPlaneNamespace });
          if (items.length > 0)
            throw new Error(`the "${state.controlPlaneNamespace}" namespace holds ${items.length} deployments already`);
        },
      },
      can('create', '', 'namespaces', false),
      can('create', 'rbac.authorization.k8s.io', 'clusterroles', false),
      can('create', 'rbac.authorization.k8s.io', 'clusterrolebindings', false),
      can('create', 'apiextensions.k8s.io', 'customresourcedefinitions', false),
      can('create', 'admissionregistration.k8s.io', 'mutatingwebhookconfigurations', false),
      can('create', '', 'serviceaccounts', true),
      can('create', '', 'services', true),
      can('create', 'apps', 'deployments', true),
      can('create', '', 'configmaps', true),
      can('create', '', 'secrets', true),
    ],
  };
}

const CONTROL_PLANE = ['linkerd-destination', 'linkerd-identity', 'linkerd-proxy-injector'] as const;

export function controlPlaneCategories(state: CheckState): readonly CheckCategory[] {
  return [
    {
      name: 'linkerd-existence',
      checks: [
        {
          description: "'linkerd-config' config map exists",
          hint: 'l5d-existence-linkerd-config',
          fatal: true,
          run: async () => void (await state.config()),
        },
        {
          description: 'control plane replica sets are ready',
          hint: 'l5d-existence-replicasets',
          retry: true,
          fatal: true,
          run: () => checkDeployments(state),
        },
        {
          description: 'control plane pods are ready',
          hint: 'l5d-api-control-ready',
          retry: true,
          fatal: true,
          run: () => checkPods(state),
        },
        ...clusterNetworkChecks(state),
      ],
    },
    {
      name: 'linkerd-config',
      checks: [
        {
          description: 'control plane CustomResourceDefinitions exist',
          hint: 'l5d-existence-crd',
          fatal: true,
          run: async () => {
            const { client } = await state.connection();
            const missing: string[] = [];
            for (const crd of crdManifests()) {
              const name = crd.metadata.name ?? '';
              if ((await client.get(CUSTOM_RESOURCE_DEFINITIONS, { name })) === undefined) missing.push(name);
            }
            if (missing.length > 0)
              throw new Error(`missing ${missing.join(', ')}; apply the output of mesh install --crds`);
          },
        },
        {
          description: 'control plane MutatingWebhookConfigurations exist',
          hint: 'l5d-existence-mwc',
          run: async () => void (await webhook(state)),
        },
      ],
    },
    { name: 'linkerd-identity', checks: identityChecks(state) },
    { name: 'linkerd-webhooks-and-apisvc-tls', checks: webhookChecks(state) },
    {
      name: 'control-plane-version',
      checks: [
        {
          description: 'control plane and cli versions match',
          hint: 'l5d-version-control',
          warning: true,
          run: async () => {
            const { version } = await state.config();
            if (version !== MESH_VERSION)
              throw new Error(`control plane running ${version} but cli running ${MESH_VERSION}`);
          },
        },
      ],
    },
  ];
}

async function checkDeployments(state: CheckState): Promise<void> {
  const { client } = await state.connection();
  for (const name of CONTROL_PLANE) {
    const deployment = await client.get(DEPLOYMENTS, { namespace: state.controlPlaneNamespace, name });
    if (deployment === undefined) throw new Error(`deployment ${state.controlPlaneNamespace}/${name} is missing`);
    assertAvailable(deployment);
  }
}

/** @throws Error saying how many replicas are wanted and there. */
export function assertAvailable(deployment: Deployment): void {
  const wanted = deployment.spec.replicas ?? 1;
  const ready = deployment.status?.availableReplicas ?? 0;
  if (ready >= Math.min(wanted, 1) && ready > 0) return;
  throw new Error(
    `deployment ${deployment.metadata.namespace ?? ''}/${deployment.metadata.name} has ${ready} of ${wanted} replicas available`,
  );
}

async function checkPods(state: CheckState): Promise<void> {
  const { client } = await state.connection();
  const { items } = await client.list(PODS, {
    namespace: state.controlPlaneNamespace,
    labelSelector: 'linkerd.io/control-plane-component',
  });
  const unready = items.flatMap((pod) =>
    (pod.status?.containerStatuses ?? [])
      .filter((status) => !status.ready && pod.metadata.deletionTimestamp === undefined)
      .map(
        (status) =>
          `pod/${pod.metadata.name} container ${status.name} is not ready${reason(status.state?.waiting?.reason)}`,
      ),
  );
  if (items.length === 0) throw new Error(`no control plane pods in namespace ${state.controlPlaneNamespace}`);
  if (unready.length > 0) throw new Error(unready.join('\n'));
}

function reason(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`;
}

function identityChecks(state: CheckState): readonly Check[] {
  const anchors = async (): Promise<readonly Certificate[]> =>
    parseCertificates((await state.config()).trustAnchorsPem, 'ConfigMap linkerd-identity-trust-roots');
  const issuer = async (): Promise<{ readonly certificatePem: string; readonly keyPem: string }> => {
    const { client } = await state.connection();
    const name = `${state.controlPlaneNamespace}/linkerd-identity-issuer`;
    const secret = await client.get(SECRETS, {
      namespace: state.controlPlaneNamespace,
      name: 'linkerd-identity-issuer',
    });
    const text = (key: string): string => Buffer.from(secret?.data?.[key] ?? '', 'base64').toString('utf8');
    if (secret === undefined) throw new Error(`Secret ${name} is missing`);
    return { certificatePem: text('crt.pem') || text('tls.crt'), keyPem: text('key.pem') || text('tls.key') };
  };
  const soon = (certificate: Certificate, what: string): void => {
    const left = certificate.notAfterMs - Date.now();
    if (left < SIXTY_DAYS_MS)
      throw new Error(
        `${what} (${certificate.subject}) will expire on ${new Date(certificate.notAfterMs).toISOString()}`,
      );
  };
  return [
    {
      description: 'certificate config is valid',
      hint: 'l5d-identity-cert-config-valid',
      fatal: true,
      run: async () => void (await Promise.all([anchors(), issuer()])),
    },
    {
      description: 'trust anchors are within their validity period',
      hint: 'l5d-identity-trustAnchors-are-time-valid',
      fatal: true,
      run: async () => (await anchors()).forEach((anchor) => checkValidity(anchor, Date.now())),
    },
    {
      description: 'trust anchors are valid for at least 60 days',
      hint: 'l5d-identity-trustAnchors-not-expiring-soon',
      warning: true,
      run: async () => (await anchors()).forEach((anchor) => soon(anchor, 'trust anchor')),
    },
    {
      description: 'issuer cert is within its validity period',
      hint: 'l5d-identity-issuer-cert-is-time-valid',
      fatal: true,
      run: async () =>
        checkValidity(parseCertificate((await issuer()).certificatePem, 'the issuer certificate'), Date.now()),
    },
    {
      description: 'issuer cert is valid for at least 60 days',
      hint: 'l5d-identity-issuer-cert-not-expiring-soon',
      warning: true,
      run: async () =>
        soon(parseCertificate((await issuer()).certificatePem, 'the issuer certificate'), 'issuer certificate'),
    },
    {
      description: 'issuer cert is issued by the trust anchor',
      hint: 'l5d-identity-issuer-cert-issued-by-trust-anchor',
      run: async () => void loadIssuer({ ...(await issuer()), anchors: await anchors() }),
    },
  ];
}

interface WebhookJson {
  readonly clientConfig?: { readonly caBundle?: string };
}

async function webhook(state: CheckState): Promise<WebhookJson> {
  const { client } = await state.connection();
  const name = 'linkerd-proxy-injector-webhook-config';
  const config = await client.get(MUTATING_WEBHOOKS, { name });
  const first = config?.webhooks?.[0];
  if (first === undefined) throw new Error(`MutatingWebhookConfiguration ${name} is missing`);
  return first;
}

function webhookChecks(state: CheckState): readonly Check[] {
  const certificate = async (): Promise<Certificate> => {
    const { client } = await state.connection();
    const secret = await client.get(SECRETS, {
      namespace: state.controlPlaneNamespace,
      name: 'linkerd-proxy-injector-k8s-tls',
    });
    const pem = Buffer.from(secret?.data?.['tls.crt'] ?? '', 'base64').toString('utf8');
    return parseCertificate(pem, `Secret ${state.controlPlaneNamespace}/linkerd-proxy-injector-k8s-tls, key tls.crt`);
  };
  return [
    {
      description: 'proxy-injector webhook has valid cert',
      hint: 'l5d-proxy-injector-webhook-cert-valid',
      fatal: true,
      run: async () => {
        const leaf = await certificate();
        const bundle = Buffer.from((await webhook(state)).clientConfig?.caBundle ?? '', 'base64').toString('utf8');
        const roots = parseCertificates(bundle, 'caBundle of the webhook configuration');
        checkValidity(leaf, Date.now());
        if (!roots.some((root) => leaf.x509.checkIssued(root.x509) && leaf.x509.verify(root.publicKey))) {
          throw new Error('the certificate of the injector is not signed by the caBundle of its webhook configuration');
        }
      },
    },
    {
      description: 'proxy-injector cert is valid for at least 60 days',
      hint: 'l5d-proxy-injector-webhook-cert-not-expiring-soon',
      warning: true,
      run: async () => {
        const leaf = await certificate();
        if (leaf.notAfterMs - Date.now() < SIXTY_DAYS_MS)
          throw new Error(`certificate will expire on ${new Date(leaf.notAfterMs).toISOString()}`);
      },
    },
  ];
}

/** `mesh check --proxy`: the sidecars. */
export function dataPlaneCategory(state: CheckState, namespace: string | undefined): CheckCategory {
  const meshed = async () => {
    const { client } = await state.connection();
    const { items } = await client.list(PODS, {
      namespace,
      labelSelector: `linkerd.io/control-plane-ns=${state.controlPlaneNamespace}`,
    });
    return items.filter(isMeshed);
  };
  return {
    name: 'linkerd-data-plane',
    checks: [
      {
        description: 'data plane proxies are ready',
        hint: 'l5d-data-plane-ready',
        retry: true,
        run: async () => {
          const pods = await meshed();
          if (pods.length === 0) throw new SkipCheck();
          const unready = pods.filter((pod) => {
            const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])];
            return (
              pod.status?.phase === 'Running' &&
              !statuses.some((status) => status.name === 'linkerd-proxy' && status.ready)
            );
          });
          if (unready.length > 0)
            throw new Error(
              unready
                .map((pod) => `pod ${pod.metadata.namespace}/${pod.metadata.name}: linkerd-proxy is not ready`)
                .join('\n'),
            );
        },
      },
      {
        description: 'data plane is up-to-date',
        hint: 'l5d-data-plane-version',
        warning: true,
        run: async () => {
          const { version } = await state.config();
          const old = (await meshed()).filter(
            (pod) => (pod.metadata.annotations?.['linkerd.io/proxy-version'] ?? version) !== version,
          );
          if (old.length > 0) {
            throw new Error(
              `some proxies do not run ${version}:\n${old.map((pod) => `* ${pod.metadata.namespace}/${pod.metadata.name} (${pod.metadata.annotations?.['linkerd.io/proxy-version'] ?? ''})`).join('\n')}`,
            );
          }
        },
      },
    ],
  };
}
