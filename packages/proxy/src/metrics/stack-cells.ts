/** Cells of the layers that connections and requests pass through: how many there were, and how long they kept callers waiting. */
import type { MetricRegistry } from '@mesh/runtime';
import type { StackCells, StackLabels, StackPollCells } from '../ports.ts';

export function bindStack(registry: MetricRegistry, { direction, protocol, name }: StackLabels): StackCells {
  const labels = { direction, protocol, name };
  return {
    created: registry.counter({ name: 'stack_create_total', help: 'Layers that were set up.' }).bind(labels),
    dropped: registry.counter({ name: 'stack_drop_total', help: 'Layers that were taken down.' }).bind(labels),
  };
}

export function bindStackPolls(registry: MetricRegistry, { direction, protocol, name }: StackLabels): StackPollCells {
  const labels = { direction, protocol, name };
  const polls = registry.counter({
    name: 'stack_poll_total',
    help: 'Times that a layer was asked to serve: at once (true), later (false), not at all (error).',
  });
  return {
    ready: polls.bind({ ...labels, ready: 'true' }),
    pending: polls.bind({ ...labels, ready: 'false' }),
    error: polls.bind({ ...labels, ready: 'error' }),
    waitedMs: registry
      .counter({ name: 'stack_poll_total_ms', help: 'Time that callers waited for a layer, milliseconds.' })
      .bind(labels),
  };
}
