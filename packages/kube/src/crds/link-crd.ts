/** `links.multicluster.linkerd.io`: three served versions with Linkerd's field names, and Link-level conditions of ours in the status. */
import type { CustomResourceDefinition } from '../core-types.ts';
import { conditions, definition, labelSelector, list, record, text, version } from './schema.ts';
import type { Schema } from './schema.ts';

const serviceRef = record({ group: text(), kind: text(), name: text(), namespace: text() }, ['name', 'namespace']);

const mirrorCondition = record(
  {
    type: text({ maxLength: 316 }),
    status: { type: 'string', enum: ['True', 'False', 'Unknown'] },
    reason: text({ maxLength: 1024 }),
    message: text({ maxLength: 32768 }),
    lastTransitionTime: text({ format: 'date-time' }),
    localRef: serviceRef,
  },
  ['type', 'status', 'reason', 'message', 'lastTransitionTime'],
);

const mirroredServices = list(
  record({ controllerName: text(), remoteRef: serviceRef, conditions: list(mirrorCondition) }, [
    'controllerName',
    'remoteRef',
  ]),
);

const status = record({ mirrorServices: mirroredServices, federatedServices: mirroredServices, conditions });

function spec(generation: 1 | 2 | 3): Schema {
  return record({
    targetClusterName: text({
      description: 'Name of the cluster that owns the services; the suffix of their mirrors here.',
    }),
    targetClusterDomain: text({ description: 'DNS domain of that cluster, such as cluster.local.' }),
    targetClusterLinkerdNamespace: text({ description: 'Namespace of the control plane there.' }),
    clusterCredentialsSecret: text({ description: 'Secret beside the Link whose kubeconfig reaches that cluster.' }),
    gatewayAddress: text({
      description: 'IP addresses and DNS names of its gateway, comma-separated; empty without gateway.',
    }),
    gatewayPort: text({ description: 'Port of its gateway for mesh traffic.' }),
    gatewayIdentity: text({ description: 'Mesh identity of its gateway, also the TLS server name.' }),
    probeSpec: record({
      path: text({ description: 'HTTP path of the health probe; empty turns probing off.' }),
      port: text({ description: 'Port of the health probe.' }),
      period: text({ description: 'Time between probes.', ...(generation === 1 ? {} : { format: 'duration' }) }),
      timeout: text({ description: 'How long a probe may take.', format: 'duration', default: '30s' }),
      failureThreshold: text({ description: 'Failures in a row that take the gateway out of service.', default: '3' }),
    }),
    selector: { ...labelSelector, description: 'Services to mirror through the gateway; empty selects none.' },
    remoteDiscoverySelector: {
      ...labelSelector,
      description: 'Services to mirror flat, pod to pod; empty selects none.',
    },
    ...(generation < 2
      ? {}
      : {
          federatedServiceSelector: {
            ...labelSelector,
            description: 'Services that join federated services; empty selects none.',
          },
        }),
    ...(generation < 3
      ? {}
      : {
          excludedAnnotations: list(text(), {
            description: 'Annotation keys, or prefixes as `prefix/*`, that mirrors do not get.',
          }),
          excludedLabels: list(text(), {
            description: 'Label keys, or prefixes as `prefix/*`, that mirrors do not get.',
          }),
        }),
  });
}

const columns = [
  ['Cluster', 'string', '.spec.targetClusterName'],
  ['Gateway', 'string', '.spec.gatewayAddress'],
  ['Reachable', 'string', '.status.conditions[?(@.type=="Reachable")].status'],
  ['Alive', 'string', '.status.conditions[?(@.type=="GatewayAlive")].status'],
] as const;

export const LINK_CRD: CustomResourceDefinition = definition('multicluster.linkerd.io', 'Link', 'links', [
  version('v1alpha1', { spec: spec(1), status }),
  version('v1alpha2', { spec: spec(2), status }, { status: true }),
  version('v1alpha3', { spec: spec(3), status }, { status: true, storage: true, columns }),
]);
