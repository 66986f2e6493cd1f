/** A Kubernetes API with local pods, for demo, development and tests. */
export { createCluster } from './cluster/cluster.ts';
export type { Cluster, ClusterAddresses, ClusterOptions } from './cluster/cluster.ts';
export { mergeKubeconfigs } from './cluster/kubeconfigs.ts';
export type { ImageProgram, Images } from './node/images.ts';
export type { ContainerProcess } from './node/node-agent.ts';
export { ApiServer, hasReason, KubeStatusError } from './api/index.ts';
export type { ApiServerOptions, ClusterClient, KubeList, KubeObject, ResourceRef, WatchEvent } from './api/index.ts';
