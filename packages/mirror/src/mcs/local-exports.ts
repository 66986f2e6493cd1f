/** This cluster's ServiceExports and the endpoints behind them, from what the view for peers is made of. */
import type { EndpointSlice, ServiceExport } from '@mesh/kube';
import { keyOf } from '@mesh/kube';
import type { ExportSources } from '../exports/export-sources.ts';

export interface LocalExports {
  /** True when what is not there does not exist. */
  readonly synced: boolean;
  keys(): readonly string[];
  get(key: string): ServiceExport | undefined;
  /** Slices of a Service that is exported; see {@link follow}. */
  slicesOf(key: string): readonly EndpointSlice[];
  /** Says whose slices are needed. After it, `synced` speaks for them too. */
  follow(key: string, isNeeded: boolean): void;
  /** Calls with the keys of Services whose export or endpoints changed. */
  onChange(listener: (key: string) => void): void;
  /** Calls when `synced` may have changed. */
  onStatus(listener: () => void): void;
}

/** @param sources Run and stopped by the publisher of the view. */
export function localExports(sources: ExportSources): LocalExports {
  return {
    get synced() {
      return sources.serviceExports.synced && sources.slicesSynced;
    },
    keys: () => sources.serviceExports.list().map(({ metadata }) => keyOf(metadata)),
    get: (key) => sources.serviceExports.get(key),
    slicesOf: (key) => sources.slicesOf(key),
    follow: (key, isNeeded) => sources.need(`mcs ${key}`, { slices: isNeeded, addresses: false }),
    onChange: (listener) => {
      sources.serviceExports.onChange(({ object }) => listener(keyOf(object.metadata)));
      sources.onEndpoints(listener);
    },
    onStatus: (listener) => sources.onStatus(listener),
  };
}
