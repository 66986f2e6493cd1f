/**
 * What Node.js tells about itself (event loop lag, heap, garbage collection, handles), by prom-client, added to the
 * metrics of our cells. For controllers and gateways; the sidecar can't afford prom-client's memory (ADR 0004).
 */
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { MetricRegistry } from '../metrics/registry.ts';

/** Each sample wakes the process: ten a second see a blocked loop well enough. */
const LAG_SAMPLE_MS = 100;

export class NodeMetrics {
  readonly #registry = new Registry();

  constructor() {
    collectDefaultMetrics({ register: this.#registry, eventLoopMonitoringPrecision: LAG_SAMPLE_MS });
    // `process_*` are ours, with the names and meaning that the sidecar's have.
    for (const { name } of this.#registry.getMetricsAsArray()) {
      if (!name.startsWith('nodejs_')) this.#registry.removeSingleMetric(name);
    }
  }

  /** The text of a scrape: our cells first, then Node's own. */
  async expose(cells: Pick<MetricRegistry, 'expose'>): Promise<string> {
    return cells.expose() + (await this.#registry.metrics());
  }
}
