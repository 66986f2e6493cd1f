/** The proxy injector: its workload, its rights, the Secret of its certificate, and the webhook by which the API server asks it. */
import { componentLabels } from './control-plane-labels.ts';
import { CONTROLLER, resourcesOf, roleDeployment } from './control-plane-roles.ts';
import type { RbacRule } from './object.ts';
import { clusterAccess, EVENT_RULES, namespacedAccess, rule, serviceAccount, WATCH } from './object.ts';
import { CREATED_BY } from './provenance.ts';
import { asText, base64, core, isSet, NAMESPACE, not, text, tree, when } from './template.ts';
import { container, service, TRUST_ROOTS_MOUNT, TRUST_ROOTS_VOLUME } from './workload.ts';

const SECRET = 'linkerd-proxy-injector-k8s-tls';
const WEBHOOK_CONFIGURATION = 'linkerd-proxy-injector-webhook-config';

/**
 * Namespaces are read one by one and watched. What was done is told in Events: on a pod of no owner, or on the owner of its
 * ReplicaSet or Job. The authority of a renewed certificate is written into the webhook.
 */
export const INJECTOR_RULES: readonly RbacRule[] = [
  rule('', ['namespaces'], ['get', ...WATCH]),
  rule('', ['pods'], ['get']),
  rule('apps', ['replicasets'], ['get']),
  rule('batch', ['jobs'], ['get']),
  rule('admissionregistration.k8s.io', ['mutatingwebhookconfigurations'], ['get', 'update'], [WEBHOOK_CONFIGURATION]),
  ...EVENT_RULES,
];

/** The values that pods are injected with, and the certificate that any replica renews. */
export const INJECTOR_CONFIG_RULES: readonly RbacRule[] = [
  rule('', ['configmaps'], ['get'], ['linkerd-config']),
  rule('', ['secrets'], ['get', 'update'], [SECRET]),
];

/** Given by value; else the injector makes and renews its own. */
const CERTIFICATE = {
  caBundle: core('proxyInjector.caBundle'),
  crtPEM: core('proxyInjector.crtPEM'),
  keyPEM: core('proxyInjector.keyPEM'),
} as const;

export function injectorManifests(): readonly unknown[] {
  const labels = componentLabels('proxy-injector');
  const account = { name: 'linkerd-proxy-injector', namespace: NAMESPACE };
  return [
    serviceAccount(account.name, NAMESPACE, labels),
    ...clusterAccess(text`linkerd-${NAMESPACE}-proxy-injector`, account, labels, INJECTOR_RULES),
    ...namespacedAccess('linkerd-proxy-injector-config', NAMESPACE, account, labels, INJECTOR_CONFIG_RULES),
    when(not(core('proxyInjector.externalSecret')), certificateSecret()),
    service({
      name: 'linkerd-proxy-injector',
      namespace: NAMESPACE,
      labels,
      annotations: { ...CREATED_BY, 'config.linkerd.io/opaque-ports': '443' },
      selector: labels,
      ports: [{ name: 'proxy-injector', port: 443, targetPort: 8443 }],
    }),
    ...roleDeployment({
      component: 'proxy-injector',
      containers: [
        container({
          name: 'proxy-injector',
          args: ['injector'],
          ports: [
            { name: 'proxy-injector', containerPort: 8443 },
            { name: 'injector-admin', containerPort: 9995 },
          ],
          adminPort: 9995,
          ...CONTROLLER,
          env: [
            ...CONTROLLER.env,
            { name: 'MESH_WEBHOOK_TLS_SECRET', value: SECRET },
            { name: 'MESH_WEBHOOK_RENEW', value: asText(not(core('proxyInjector.externalSecret'))) },
          ],
          mounts: [TRUST_ROOTS_MOUNT],
          resources: resourcesOf('proxyInjectorResources'),
        }),
      ],
      volumes: [TRUST_ROOTS_VOLUME],
    }),
    webhook(),
  ];
}

/** Empty unless a certificate was given: what the injector writes into it is nobody else's, so applying this again leaves it there. */
function certificateSecret(): unknown {
  const { caBundle, crtPEM, keyPEM } = CERTIFICATE;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: SECRET,
      namespace: NAMESPACE,
      annotations: CREATED_BY,
      labels: componentLabels('proxy-injector'),
    },
    type: 'Opaque',
    data: when(isSet(crtPEM), { 'tls.crt': base64(crtPEM), 'tls.key': base64(keyPEM), 'ca.crt': base64(caBundle) }),
  };
}

function webhook(): unknown {
  const { caBundle } = CERTIFICATE;
  const from = core('proxyInjector.injectCaFrom');
  const fromSecret = core('proxyInjector.injectCaFromSecret');
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: {
      name: WEBHOOK_CONFIGURATION,
      annotations: {
        ...CREATED_BY,
        'cert-manager.io/inject-ca-from': when(isSet(from), from),
        'cert-manager.io/inject-ca-from-secret': when(isSet(fromSecret), fromSecret),
      },
      labels: componentLabels('proxy-injector'),
    },
    webhooks: [
      {
        name: 'linkerd-proxy-injector.linkerd.io',
        namespaceSelector: tree(core('proxyInjector.namespaceSelector')),
        objectSelector: tree(core('proxyInjector.objectSelector')),
        clientConfig: {
          service: { name: 'linkerd-proxy-injector', namespace: NAMESPACE, path: '/' },
          caBundle: when(isSet(caBundle), base64(caBundle)),
        },
        failurePolicy: core('webhookFailurePolicy'),
        admissionReviewVersions: ['v1'],
        rules: [
          {
            operations: ['CREATE'],
            apiGroups: [''],
            apiVersions: ['v1'],
            resources: ['pods', 'services'],
            scope: 'Namespaced',
          },
        ],
        sideEffects: 'None',
        timeoutSeconds: core('proxyInjector.timeoutSeconds'),
      },
    ],
  };
}
