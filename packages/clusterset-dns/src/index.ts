export { ClustersetDns } from './app.ts';
export type { ClustersetDnsDeps, ClustersetDnsOptions } from './app.ts';
