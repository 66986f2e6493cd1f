/** The proxy injector: its workload, its rights, its certificate, and the webhook by which the API server asks it. */
import type { ControlPlaneValues } from '../values/control-plane.ts';
import type { TemplateFile } from './chart-template.ts';
import { componentLabels } from './control-plane-labels.ts';
import { CONTROLLER, resourcesOf, roleDeployment } from './control-plane-roles.ts';
import type { RbacRule } from './object.ts';
import { clusterAccess, EVENT_RULES, namespacedAccess, rule, serviceAccount, WATCH } from './object.ts';
import { CREATED_BY } from './provenance.ts';
import { base64, core, Expression, NAMESPACE, text, tree } from './template.ts';
import { container, service, TRUST_ROOTS_MOUNT, TRUST_ROOTS_VOLUME } from './workload.ts';

/** Namespaces are read one by one and watched; what was done is told in Events. */
export const INJECTOR_RULES: readonly RbacRule[] = [rule('', ['namespaces'], ['get', ...WATCH]), ...EVENT_RULES];

/** The values that pods are injected with. */
export const INJECTOR_CONFIG_RULES: readonly RbacRule[] = [rule('', ['configmaps'], ['get'], ['linkerd-config'])];

/** In the chart an authority for one certificate is made in each release, as Linkerd's chart does, unless there are values. */
const CERTIFICATE = `{{- $name := printf "linkerd-proxy-injector.%s.svc" .Release.Namespace }}
{{- $tls := dict "ca" .Values.proxyInjector.caBundle "crt" .Values.proxyInjector.crtPEM "key" .Values.proxyInjector.keyPEM }}
{{- if not .Values.proxyInjector.crtPEM }}
{{- $ca := genCA $name 365 }}
{{- $issued := genSignedCert $name nil (list $name (printf "%s.%s" $name .Values.clusterDomain)) 365 $ca }}
{{- $tls = dict "ca" $ca.Cert "crt" $issued.Cert "key" $issued.Key }}
{{- end }}
`;

function tls(part: 'ca' | 'crt' | 'key'): Expression<string> {
  const name = ({ ca: 'caBundle', crt: 'crtPEM', key: 'keyPEM' } as const)[part];
  return new Expression(({ values }) => (values as ControlPlaneValues).proxyInjector[name], `$tls.${part}`);
}

export function injectorManifests(): TemplateFile {
  const labels = componentLabels('proxy-injector');
  const account = { name: 'linkerd-proxy-injector', namespace: NAMESPACE };
  return {
    name: 'proxy-injector',
    preamble: CERTIFICATE,
    manifests: [
      serviceAccount(account.name, NAMESPACE, labels),
      ...clusterAccess(text`linkerd-${NAMESPACE}-proxy-injector`, account, labels, INJECTOR_RULES),
      ...namespacedAccess('linkerd-proxy-injector-config', NAMESPACE, account, labels, INJECTOR_CONFIG_RULES),
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: 'linkerd-proxy-injector-k8s-tls', namespace: NAMESPACE, annotations: CREATED_BY, labels },
        type: 'kubernetes.io/tls',
        data: { 'tls.crt': base64(tls('crt')), 'tls.key': base64(tls('key')) },
      },
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
            env: [...CONTROLLER.env, { name: 'MESH_WEBHOOK_TLS_DIR', value: '/var/run/linkerd/tls' }],
            mounts: [{ name: 'tls', mountPath: '/var/run/linkerd/tls', readOnly: true }, TRUST_ROOTS_MOUNT],
            resources: resourcesOf('proxyInjectorResources'),
          }),
        ],
        volumes: [{ name: 'tls', secret: { secretName: 'linkerd-proxy-injector-k8s-tls' } }, TRUST_ROOTS_VOLUME],
      }),
      webhook(),
    ],
  };
}

function webhook(): unknown {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: 'linkerd-proxy-injector-webhook-config', labels: componentLabels('proxy-injector') },
    webhooks: [
      {
        name: 'linkerd-proxy-injector.linkerd.io',
        namespaceSelector: tree(core('proxyInjector.namespaceSelector')),
        objectSelector: tree(core('proxyInjector.objectSelector')),
        clientConfig: {
          service: { name: 'linkerd-proxy-injector', namespace: NAMESPACE, path: '/' },
          caBundle: base64(tls('ca')),
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
