/** `mesh multicluster link`: the Link and its credentials, to apply in the cluster that wants to reach this one. */
import type { LabelSelector } from '@mesh/kube';
import { base64 } from './object.ts';
import type { Manifest } from './object.ts';
import { toYaml } from '../yaml.ts';

export interface GatewayFacts {
  /** IP addresses and host names, comma-separated. */
  readonly addresses: string;
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
    link(facts),
  ];
}

function link(facts: LinkFacts): Manifest {
  const { gateway } = facts;
  return {
    apiVersion: 'multicluster.linkerd.io/v1alpha3',
    kind: 'Link',
    metadata: {
      name: facts.clusterName,
      namespace: facts.namespace,
      annotations: { 'linkerd.io/created-by': facts.createdBy },
    },
    spec: {
      clusterCredentialsSecret: credentialsName(facts.clusterName),
      ...(facts.excludedAnnotations.length === 0 ? {} : { excludedAnnotations: facts.excludedAnnotations }),
      ...(facts.excludedLabels.length === 0 ? {} : { excludedLabels: facts.excludedLabels }),
      federatedServiceSelector: facts.federatedServiceSelector,
      ...(gateway === undefined
        ? {}
        : {
            gatewayAddress: gateway.addresses,
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
