/** `mesh multicluster link`: the Link and its credentials, to apply in the cluster that wants to reach this one. */
import type { LabelSelector } from '@mesh/kube';
import { gatewayZonesText } from '@mesh/model';
import type { GatewayZones } from '@mesh/model';
import { base64, namespacedAccess, rule } from './object.ts';
import type { Manifest } from './object.ts';
import { evaluateManifests } from './template.ts';
import { toYaml } from '../yaml.ts';

export interface GatewayFacts {
  /** IP addresses and host names. */
  readonly addresses: readonly string[];
  /** Of those whose zone is known. */
  readonly zones: GatewayZones;
  readonly port: string;
  readonly identity: string;
  readonly probe: { readonly path: string; readonly port: string; readonly period: string };
}

export interface LinkFacts {
  readonly clusterName: string;
  readonly namespace: string;
  readonly controlPlaneNamespace: string;
  readonly clusterDomain: string;
  readonly trustDomain: string;
  /** Base64 DER or PEM bundle, as kubeconfig's `certificate-authority-data` holds it. */
  readonly apiServer: { readonly url: string; readonly certificateAuthorityData: string };
  readonly token: string;
  /** The token expires, and the mirror of the other cluster replaces it. */
  readonly isRenewed: boolean;
  /** What this cluster calls the other one. */
  readonly peer?: string;
  /** Where this cluster shows its exports to the other one; empty: the other one reads Services and endpoints. */
  readonly exportNamespaces: readonly string[];
  /** Absent for a link without gateway. */
  readonly gateway?: GatewayFacts;
  readonly selector: LabelSelector;
  readonly remoteDiscoverySelector: LabelSelector;
  readonly federatedServiceSelector: LabelSelector;
  readonly excludedAnnotations: readonly string[];
  readonly excludedLabels: readonly string[];
  readonly createdBy: string;
}

export function credentialsName(clusterName: string): string {
  return `cluster-credentials-${clusterName}`;
}

export function linkManifests(facts: LinkFacts): readonly Manifest[] {
  const kubeconfig = base64(kubeconfigOf(facts));
  const name = credentialsName(facts.clusterName);
  const type = 'mirror.linkerd.io/remote-kubeconfig';
  return [
    { apiVersion: 'v1', kind: 'Secret', metadata: { name, namespace: facts.namespace }, type, data: { kubeconfig } },
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name,
        namespace: facts.controlPlaneNamespace,
        annotations: {
          'multicluster.linkerd.io/cluster-domain': facts.clusterDomain,
          'multicluster.linkerd.io/trust-domain': facts.trustDomain,
        },
        labels: { 'multicluster.linkerd.io/cluster-name': facts.clusterName },
      },
      type,
      data: { kubeconfig },
    },
    ...(facts.isRenewed ? renewalRights(facts) : []),
    link(facts),
  ];
}

/** Name of the rights of {@link renewalRights}. */
export function renewalName(clusterName: string): string {
  return `linkerd-service-mirror-credentials-${clusterName}`;
}

/** The mirror keeps the copy in the control plane's namespace current too: this one Secret there, and no other. */
function renewalRights({ clusterName, namespace, controlPlaneNamespace }: LinkFacts): readonly Manifest[] {
  const subject = { name: 'linkerd-service-mirror', namespace };
  const rules = [rule('', ['secrets'], ['get', 'patch'], [credentialsName(clusterName)])];
  const labels = { 'multicluster.linkerd.io/cluster-name': clusterName };
  return evaluateManifests(namespacedAccess(renewalName(clusterName), controlPlaneNamespace, subject, labels, rules), {
    values: {},
    namespace,
  });
}

function link(facts: LinkFacts): Manifest {
  const { gateway } = facts;
  return {
    apiVersion: 'multicluster.linkerd.io/v1alpha3',
    kind: 'Link',
    metadata: {
      name: facts.clusterName,
      namespace: facts.namespace,
      annotations: {
        'linkerd.io/created-by': facts.createdBy,
        ...(facts.peer === undefined ? {} : { 'federation.mesh.dev/peer': facts.peer }),
        ...(facts.exportNamespaces.length === 0
          ? {}
          : { 'federation.mesh.dev/export-namespaces': facts.exportNamespaces.join(',') }),
        ...(gateway === undefined || gateway.zones.length === 0
          ? {}
          : { 'federation.mesh.dev/gateway-zones': gatewayZonesText(gateway.zones) }),
      },
    },
    spec: {
      clusterCredentialsSecret: credentialsName(facts.clusterName),
      ...(facts.excludedAnnotations.length === 0 ? {} : { excludedAnnotations: facts.excludedAnnotations }),
      ...(facts.excludedLabels.length === 0 ? {} : { excludedLabels: facts.excludedLabels }),
      federatedServiceSelector: facts.federatedServiceSelector,
      ...(gateway === undefined
        ? {}
        : {
            gatewayAddress: gateway.addresses.join(','),
            gatewayIdentity: gateway.identity,
            gatewayPort: gateway.port,
            probeSpec: gateway.probe,
            selector: facts.selector,
          }),
      remoteDiscoverySelector: facts.remoteDiscoverySelector,
      targetClusterDomain: facts.clusterDomain,
      targetClusterLinkerdNamespace: facts.controlPlaneNamespace,
      targetClusterName: facts.clusterName,
    },
  };
}

/** As the mirror reads it. */
function kubeconfigOf(facts: LinkFacts): string {
  return toYaml({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: facts.clusterName,
        cluster: {
          'certificate-authority-data': facts.apiServer.certificateAuthorityData,
          server: facts.apiServer.url,
        },
      },
    ],
    contexts: [{ name: facts.clusterName, context: { cluster: facts.clusterName, user: facts.clusterName } }],
    'current-context': facts.clusterName,
    users: [{ name: facts.clusterName, user: { token: facts.token } }],
  });
}
