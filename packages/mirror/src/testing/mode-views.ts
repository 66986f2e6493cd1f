/** What tests of the modes look at, and the pods that they begin with. */
import { ENDPOINT_SLICES } from '@mesh/kube';
import type { EndpointSlice } from '@mesh/kube';
import type { Harness } from './harness.ts';
import type { TestPod } from './peer-exporters.ts';

/** Our slices of a Service at home. */
export function slicesOf(harness: Harness, service: string): readonly EndpointSlice[] {
  return harness.home
    .peekAll(ENDPOINT_SLICES)
    .filter(({ metadata }) => metadata.labels?.['kubernetes.io/service-name'] === service);
}

/** Addresses of a Service at home, with host names and readiness. */
export function addressesOf(harness: Harness, service: string): Readonly<Record<string, readonly [string, boolean]>> {
  const endpoints = slicesOf(harness, service).flatMap((slice) => slice.endpoints);
  return Object.fromEntries(
    endpoints
      .map(
        ({ addresses, hostname = '', conditions }) =>
          [addresses[0] ?? '', [hostname, conditions?.ready === true] as const] as const,
      )
      .toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
}

/** Of a Service `web`. */
export const POD = [{ name: 'web-a', ip: '10.1.0.1' }];

/** Of a StatefulSet `db`. */
export const dbPods = (count: number, net = '10.1.0'): readonly TestPod[] =>
  Array.from({ length: count }, (_, index) => ({
    name: `db-${index}`,
    ip: `${net}.${index + 1}`,
    hostname: `db-${index}`,
  }));
