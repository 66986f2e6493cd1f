/** Category `linkerd-webhooks-and-apisvc-tls`: can the API server call our webhooks? */
import { MUTATING_WEBHOOKS, SECRETS, VALIDATING_WEBHOOKS } from '@mesh/kube';
import { checkValidity, parseCertificate, parseCertificates } from '@mesh/pki';
import type { Certificate } from '@mesh/pki';
import { SkipCheck } from './check.ts';
import type { Check, CheckCategory } from './check.ts';
import { assertNotSoon } from './identity.ts';
import type { CheckState } from './state.ts';

interface Webhook {
  /** As its Service, and as it is called in descriptions and anchors. */
  readonly name: 'proxy-injector' | 'policy-validator' | 'sp-validator';
  readonly service: string;
  readonly configuration: string;
  readonly kind: typeof MUTATING_WEBHOOKS;
  readonly secret: string;
  /** Absent validators are fine: nobody calls them. */
  readonly required: boolean;
}

const WEBHOOKS: readonly Webhook[] = [
  {
    name: 'proxy-injector',
    service: 'linkerd-proxy-injector',
    configuration: 'linkerd-proxy-injector-webhook-config',
    kind: MUTATING_WEBHOOKS,
    secret: 'linkerd-proxy-injector-k8s-tls',
    required: true,
  },
  {
    name: 'policy-validator',
    service: 'linkerd-policy-validator',
    configuration: 'linkerd-policy-validator-webhook-config',
    kind: VALIDATING_WEBHOOKS,
    secret: 'linkerd-policy-validator-k8s-tls',
    required: false,
  },
  {
    name: 'sp-validator',
    service: 'linkerd-sp-validator',
    configuration: 'linkerd-sp-validator-webhook-config',
    kind: VALIDATING_WEBHOOKS,
    secret: 'linkerd-sp-validator-k8s-tls',
    required: false,
  },
];

export function webhookCategory(state: CheckState): CheckCategory {
  return {
    name: 'linkerd-webhooks-and-apisvc-tls',
    checks: WEBHOOKS.flatMap((webhook) => [validCheck(state, webhook), soonCheck(state, webhook)]),
  };
}

function validCheck(state: CheckState, webhook: Webhook): Check {
  return {
    description: `${webhook.name} webhook has valid cert`,
    hint: `l5d-${webhook.name}-webhook-cert-valid`,
    fatal: true,
    run: async () => {
      const bundles = await caBundles(state, webhook);
      const leaf = await servingCertificate(state, webhook);
      const secret = `Secret ${state.controlPlaneNamespace}/${webhook.secret}`;
      checkValidity(leaf, Date.now());
      const name = `${webhook.service}.${state.controlPlaneNamespace}.svc`;
      if (!leaf.dnsNames.includes(name))
        throw new Error(
          `the certificate in ${secret} is for ${leaf.dnsNames.join(', ') || 'no name'}, not for ${name}`,
        );
      for (const bundle of bundles) {
        const roots = parseCertificates(bundle, `the caBundle of ${webhook.kind.kind} ${webhook.configuration}`);
        if (
          !roots.some(
            (root) => leaf.equals(root) || (leaf.x509.checkIssued(root.x509) && leaf.x509.verify(root.publicKey)),
          )
        )
          throw new Error(
            `the certificate in ${secret} is not signed by the caBundle of ${webhook.kind.kind} ${webhook.configuration}`,
          );
      }
    },
  };
}

function soonCheck(state: CheckState, webhook: Webhook): Check {
  return {
    description: `${webhook.name} cert is valid for at least 60 days`,
    hint: `l5d-${webhook.name}-webhook-cert-not-expiring-soon`,
    warning: true,
    run: async () => {
      await caBundles(state, webhook);
      assertNotSoon(await servingCertificate(state, webhook), `certificate in Secret ${webhook.secret}`);
    },
  };
}

/** PEM texts of the configuration's entries that call our Service. */
async function caBundles(state: CheckState, webhook: Webhook): Promise<readonly string[]> {
  const configuration = await (await state.client()).get(webhook.kind, { name: webhook.configuration });
  if (configuration === undefined) {
    if (!webhook.required) throw new SkipCheck();
    throw new Error(`${webhook.kind.kind} ${webhook.configuration} is missing`);
  }
  const configs = (configuration.webhooks ?? []) as readonly {
    readonly clientConfig?: {
      readonly caBundle?: string;
      readonly service?: { readonly name?: string; readonly namespace?: string };
    };
  }[];
  const ours = configs.filter(
    ({ clientConfig }) =>
      clientConfig?.service?.name === webhook.service && clientConfig.service.namespace === state.controlPlaneNamespace,
  );
  if (ours.length === 0)
    throw new Error(
      `${webhook.kind.kind} ${webhook.configuration} does not call Service ${state.controlPlaneNamespace}/${webhook.service}`,
    );
  return ours.map(({ clientConfig }) => Buffer.from(clientConfig?.caBundle ?? '', 'base64').toString('utf8'));
}

async function servingCertificate(state: CheckState, webhook: Webhook): Promise<Certificate> {
  const ref = { namespace: state.controlPlaneNamespace, name: webhook.secret };
  const secret = await (await state.client()).get(SECRETS, ref);
  const label = `Secret ${ref.namespace}/${ref.name}`;
  if (secret === undefined) throw new Error(`${label} is missing`);
  const pem = Buffer.from(secret.data?.['tls.crt'] ?? secret.data?.['crt.pem'] ?? '', 'base64').toString('utf8');
  return parseCertificate(pem, `${label}, key tls.crt`);
}
