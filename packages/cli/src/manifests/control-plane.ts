/** `mesh install`: the control plane's objects, in the order in which they are applied. */
import type { ControlPlaneValues } from '../values/control-plane.ts';
import { publicValues } from '../values/control-plane.ts';
import { toYaml } from '../yaml.ts';
import { destinationManifests, identityManifests, injectorManifests } from './control-plane-roles.ts';
import type { Manifest } from './object.ts';
import { base64, namespace } from './object.ts';

/** Every object of the control plane but its CRDs. Pure: same values, same bytes. */
export function controlPlaneManifests(values: ControlPlaneValues, ns: string): readonly Manifest[] {
  return [
    namespace(
      ns,
      {
        'linkerd.io/is-control-plane': 'true',
        'config.linkerd.io/admission-webhooks': 'disabled',
        'linkerd.io/control-plane-ns': ns,
        'pod-security.kubernetes.io/enforce': 'privileged',
      },
      { 'linkerd.io/inject': 'disabled' },
    ),
    configMap(values, ns),
    trustRoots(values, ns),
    issuerSecret(values, ns),
    ...identityManifests(values, ns),
    ...destinationManifests(values, ns),
    ...injectorManifests(values, ns),
  ];
}

/** Labels of every object of the control plane; `component` is what Linkerd's dashboards and selectors use. */
export function componentLabels(component: string, ns: string): Readonly<Record<string, string>> {
  return {
    'linkerd.io/control-plane-component': component,
    'linkerd.io/control-plane-ns': ns,
  };
}

function configMap(values: ControlPlaneValues, ns: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'linkerd-config',
      namespace: ns,
      annotations: { 'linkerd.io/created-by': values.cliVersion },
      labels: componentLabels('controller', ns),
    },
    data: {
      'linkerd-crds-chart-version': `linkerd-crds-${values.linkerdVersion}`,
      values: toYaml(publicValues(values)),
    },
  };
}

function trustRoots(values: ControlPlaneValues, ns: string): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: {
      name: 'linkerd-identity-trust-roots',
      namespace: ns,
      annotations: { 'linkerd.io/created-by': values.cliVersion },
      labels: componentLabels('identity', ns),
    },
    data: { 'ca-bundle.crt': ensureNewline(values.identityTrustAnchorsPEM) },
  };
}

function issuerSecret(values: ControlPlaneValues, ns: string): Manifest {
  const { crtPEM, keyPEM } = values.identity.issuer.tls;
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {
      name: 'linkerd-identity-issuer',
      namespace: ns,
      annotations: { 'linkerd.io/created-by': values.cliVersion },
      labels: componentLabels('identity', ns),
    },
    ...(values.identity.issuer.scheme === 'kubernetes.io/tls'
      ? {
          type: 'kubernetes.io/tls',
          data: {
            'tls.crt': base64(crtPEM),
            'tls.key': base64(keyPEM),
            'ca.crt': base64(values.identityTrustAnchorsPEM),
          },
        }
      : { data: { 'crt.pem': base64(crtPEM), 'key.pem': base64(keyPEM) } }),
  };
}

function ensureNewline(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`;
}
