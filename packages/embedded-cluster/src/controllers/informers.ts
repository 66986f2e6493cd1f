/** The caches that controllers, node, DNS and Service proxy share: one watch per resource. */
import type { Logger } from '@mesh/runtime';
import type { ClusterClient } from '../api/types.ts';
import { Informer } from './informer.ts';
import {
  type ConfigMap,
  type CronJob,
  type DaemonSet,
  type Deployment,
  type EndpointSlice,
  type Endpoints,
  type Job,
  type Namespace,
  type Node,
  type Pod,
  type ReplicaSet,
  RESOURCES,
  type Secret,
  type Service,
  type StatefulSet,
} from './kinds.ts';
import type { KubeObject } from '../api/types.ts';

export interface Informers {
  readonly namespaces: Informer<Namespace>;
  readonly nodes: Informer<Node>;
  readonly pods: Informer<Pod>;
  readonly services: Informer<Service>;
  readonly endpoints: Informer<Endpoints>;
  readonly endpointSlices: Informer<EndpointSlice>;
  readonly configMaps: Informer<ConfigMap>;
  readonly secrets: Informer<Secret>;
  readonly serviceAccounts: Informer<KubeObject>;
  readonly deployments: Informer<Deployment>;
  readonly replicaSets: Informer<ReplicaSet>;
  readonly statefulSets: Informer<StatefulSet>;
  readonly daemonSets: Informer<DaemonSet>;
  readonly jobs: Informer<Job>;
  readonly cronJobs: Informer<CronJob>;
}

export function createInformers(client: ClusterClient, log: Logger): Informers {
  const informer = <T extends KubeObject>(name: keyof typeof RESOURCES): Informer<T> =>
    new Informer<T>(client, RESOURCES[name], log);
  return {
    namespaces: informer('namespaces'),
    nodes: informer('nodes'),
    pods: informer('pods'),
    services: informer('services'),
    endpoints: informer('endpoints'),
    endpointSlices: informer('endpointSlices'),
    configMaps: informer('configMaps'),
    secrets: informer('secrets'),
    serviceAccounts: informer('serviceAccounts'),
    deployments: informer('deployments'),
    replicaSets: informer('replicaSets'),
    statefulSets: informer('statefulSets'),
    daemonSets: informer('daemonSets'),
    jobs: informer('jobs'),
    cronJobs: informer('cronJobs'),
  };
}

/** What every controller is made of. */
export interface ControllerDeps {
  readonly client: ClusterClient;
  readonly informers: Informers;
  readonly log: Logger;
}
