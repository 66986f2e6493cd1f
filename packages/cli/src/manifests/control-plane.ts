/** The control plane's objects, as templates in the order in which they are applied, and evaluated for `mesh install`. */
import { publicValues } from '../values/control-plane.ts';
import type { ControlPlaneValues } from '../values/control-plane.ts';
import { chosenValues } from '../values/installed.ts';
import { toYaml } from '../yaml.ts';
import { destinationManifests, identityManifests } from './control-plane-roles.ts';
import { injectorManifests } from './injector.ts';
import { base64 as toBase64, namespace } from './object.ts';
import type { Manifest } from './object.ts';
import { componentLabels } from './control-plane-labels.ts';
import type { TemplateFile } from './chart-template.ts';
import { CREATED_BY } from './provenance.ts';
import { base64, core, equals, evaluateManifests, Expression, NAMESPACE, not, when, withNewline } from './template.ts';

/** Every object of the control plane but its CRDs. Pure: same values, same bytes. */
export function controlPlaneManifests(values: ControlPlaneValues, ns: string): readonly Manifest[] {
  const scope = { values, namespace: ns };
  return CONTROL_PLANE_FILES.flatMap(({ manifests }) => evaluateManifests(manifests, scope));
}

/** For `mesh upgrade`; Helm remembers its values itself. */
export function overridesManifest(values: ControlPlaneValues, ns: string): Manifest {
  return evaluateManifests(
    [
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: OVERRIDES,
          namespace: NAMESPACE,
          annotations: CREATED_BY,
          labels: componentLabels('controller'),
        },
        data: { [OVERRIDES]: toBase64(toYaml(chosenValues(values))) },
      },
    ],
    { values, namespace: ns },
  )[0] as Manifest;
}

/** The Secret's name, and its only key; both are Linkerd's. */
export const OVERRIDES = 'linkerd-config-overrides';

/** The values as text, without keys; Helm's own dump of them sorts them, which says the same. */
const VALUES_TEXT = new Expression<string>(
  ({ values }) => toYaml(publicValues(values as ControlPlaneValues)),
  '(toYaml $public)',
);

/** What `VALUES_TEXT` prints in the chart: a copy of the values, with private keys emptied and the trust domain filled in. */
const PUBLIC_VALUES = `{{- $public := omit (deepCopy .Values) "global" }}
{{- $_ := set $public.identity.issuer.tls "keyPEM" "" }}
{{- $_ := set $public.proxyInjector "keyPEM" "" }}
{{- $_ := set $public "identityTrustDomain" (default .Values.clusterDomain .Values.identityTrustDomain) }}
`;

const CONFIG = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'linkerd-config',
    namespace: NAMESPACE,
    annotations: CREATED_BY,
    labels: componentLabels('controller'),
  },
  data: { values: VALUES_TEXT },
};

const TRUST_ROOTS = {
  apiVersion: 'v1',
  kind: 'ConfigMap',
  metadata: {
    name: 'linkerd-identity-trust-roots',
    namespace: NAMESPACE,
    annotations: CREATED_BY,
    labels: componentLabels('identity'),
  },
  data: { 'ca-bundle.crt': withNewline(core('identityTrustAnchorsPEM')) },
};

const ISSUER_SECRET = {
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: {
    name: 'linkerd-identity-issuer',
    namespace: NAMESPACE,
    annotations: CREATED_BY,
    labels: componentLabels('identity'),
  },
  data: {
    'crt.pem': base64(core('identity.issuer.tls.crtPEM')),
    'key.pem': base64(core('identity.issuer.tls.keyPEM')),
  },
};

/** What the chart cannot make up, said before anything is rendered. */
const REQUIRED = `{{- if and (not .Values.identityTrustAnchorsPEM) (not .Values.identity.externalCA) }}
{{- fail "value identityTrustAnchorsPEM is missing: pass the trust anchors of all your clusters with --set-file identityTrustAnchorsPEM=ca.crt; docs/install.md shows how to make them" }}
{{- end }}
{{- if eq .Values.identity.issuer.scheme "linkerd.io/tls" }}
{{- if not .Values.identity.issuer.tls.crtPEM }}
{{- fail "value identity.issuer.tls.crtPEM is missing: pass the certificate of this cluster's issuer with --set-file identity.issuer.tls.crtPEM=issuer.crt, or set identity.issuer.scheme=kubernetes.io/tls when cert-manager keeps Secret linkerd-identity-issuer" }}
{{- end }}
{{- if not .Values.identity.issuer.tls.keyPEM }}
{{- fail "value identity.issuer.tls.keyPEM is missing: pass the private key of this cluster's issuer with --set-file identity.issuer.tls.keyPEM=issuer.key" }}
{{- end }}
{{- end }}
`;

export const CONTROL_PLANE_FILES: readonly TemplateFile[] = [
  {
    name: 'namespace',
    manifests: [
      when(
        core('installNamespace'),
        namespace(
          NAMESPACE,
          {
            'linkerd.io/is-control-plane': 'true',
            'config.linkerd.io/admission-webhooks': 'disabled',
            'linkerd.io/control-plane-ns': NAMESPACE,
            'pod-security.kubernetes.io/enforce': 'restricted',
          },
          { 'linkerd.io/inject': 'disabled' },
        ),
      ),
    ],
  },
  { name: 'config', preamble: PUBLIC_VALUES, manifests: [CONFIG] },
  {
    name: 'identity',
    preamble: REQUIRED,
    manifests: [
      when(not(core('identity.externalCA')), TRUST_ROOTS),
      when(equals(core('identity.issuer.scheme'), 'linkerd.io/tls'), ISSUER_SECRET),
      ...identityManifests(),
    ],
  },
  { name: 'destination', manifests: destinationManifests() },
  { name: 'proxy-injector', manifests: injectorManifests() },
];
