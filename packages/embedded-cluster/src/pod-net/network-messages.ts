/** What a cluster's thread and its network thread tell each other. Plain data, as it is copied between threads. */
import type { ForwardZone } from './forward-zones.ts';
import type { EndpointSlice, Service } from './service-types.ts';

export interface NetworkOptions {
  readonly nodeIp: string;
  readonly dnsIp: string;
  /** 0 for any. */
  readonly dnsPort: number;
  readonly privilegedOffset: number;
  readonly clusterDomain: string;
}

export type ToNetwork =
  | { readonly kind: 'service'; readonly service: Service }
  | { readonly kind: 'service-gone'; readonly key: string }
  | { readonly kind: 'slice'; readonly slice: EndpointSlice }
  | { readonly kind: 'slice-gone'; readonly slice: EndpointSlice }
  | { readonly kind: 'namespaces'; readonly names: readonly string[] }
  | { readonly kind: 'forwards'; readonly zones: readonly ForwardZone[] }
  | { readonly kind: 'settle'; readonly id: number }
  | { readonly kind: 'stop' };

export type FromNetwork =
  | { readonly kind: 'ready'; readonly dnsPort: number }
  | { readonly kind: 'failed'; readonly message: string }
  | { readonly kind: 'settled'; readonly id: number }
  | { readonly kind: 'log'; readonly line: string };
