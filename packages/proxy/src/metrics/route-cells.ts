/** Cells of outbound routes and of their backends; status cells are bound when a status first occurs. */
import { GRPC_STATUS_NAMES } from '@mesh/model';
import type { CounterCell, HistogramCell, MetricFamily, MetricRegistry } from '@mesh/runtime';
import type {
  InboundRouteCells,
  Labels,
  RouteBackendCells,
  RouteCells,
  RouteProtocol,
  RouteRetryCells,
} from '../ports.ts';

/** Linkerd's, seconds: coarse, since there is one per route, and few routes need more. */
const ROUTE_BUCKETS = [0.05, 0.5, 1, 10];
const BACKEND_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 10];
const FRAME_BUCKETS = [128, 1024, 10_240];

/** @param labels `hostname` only where requests are told apart by it. */
export function bindRoute(registry: MetricRegistry, protocol: RouteProtocol, labels: Labels): RouteCells {
  const all = { ...labels, hostname: labels['hostname'] ?? '' };
  const prefix = `outbound_${protocol}_route_request_`;
  const help = 'Time from a request to the end of its response, retries included, seconds.';
  const seconds = registry.histogram({ name: `${prefix}duration_seconds`, help, buckets: ROUTE_BUCKETS }).bind(all);
  const statuses = new StatusCounters(
    registry.counter({ name: `${prefix}statuses_total`, help: 'Requests of a route by their outcome.' }),
    protocol,
    all,
  );
  return {
    requestFrameBytes: registry
      .histogram({ name: `${prefix}frame_size_bytes`, help: 'Sizes of request body frames.', buckets: FRAME_BUCKETS })
      .bind(all),
    responseFrameBytes: undefined,
    finished(httpStatus, grpcStatus, error, elapsed) {
      seconds.observe(elapsed);
      statuses.of(httpStatus, grpcStatus, error).add(1);
    },
  };
}

export function bindInboundRoute(registry: MetricRegistry, protocol: RouteProtocol, labels: Labels): InboundRouteCells {
  const prefix = `inbound_${protocol}_`;
  const histogram = (name: string, help: string, buckets: readonly number[]): HistogramCell =>
    registry.histogram({ name: `${prefix}${name}`, help, buckets }).bind(labels);
  const whole = histogram(
    'request_duration_seconds',
    'Time from a request to the end of its response, seconds.',
    BACKEND_BUCKETS,
  );
  const response = histogram(
    'response_duration_seconds',
    'Time from the end of a request to the end of its response, seconds.',
    ROUTE_BUCKETS,
  );
  const statuses = new StatusCounters(
    registry.counter({ name: `${prefix}statuses_total`, help: 'Requests by the status of their response.' }),
    protocol,
    labels,
    'status',
  );
  return {
    requests: registry.counter({ name: `${prefix}requests_total`, help: 'Requests of a route.' }).bind(labels),
    requestFrameBytes: histogram('request_frame_size_bytes', 'Sizes of request body frames.', FRAME_BUCKETS),
    responseFrameBytes: histogram('response_frame_size_bytes', 'Sizes of response body frames.', FRAME_BUCKETS),
    finished(httpStatus, grpcStatus, error, elapsed, sinceRequest) {
      whole.observe(elapsed);
      response.observe(sinceRequest);
      statuses.of(httpStatus, grpcStatus, error).add(1);
    },
  };
}

export function bindRouteBackend(registry: MetricRegistry, protocol: RouteProtocol, labels: Labels): RouteBackendCells {
  const prefix = `outbound_${protocol}_route_backend_`;
  const seconds = registry
    .histogram({
      name: `${prefix}response_duration_seconds`,
      help: 'Time from sending a request to a backend to the end of its response, seconds.',
      buckets: BACKEND_BUCKETS,
    })
    .bind(labels);
  const statuses = new StatusCounters(
    registry.counter({ name: `${prefix}response_statuses_total`, help: 'Responses of a backend by their outcome.' }),
    protocol,
    labels,
  );
  return {
    requests: registry
      .counter({ name: `${prefix}requests_total`, help: 'Requests sent to a backend of a route.' })
      .bind(labels),
    responseFrameBytes: registry
      .histogram({
        name: `${prefix}response_frame_size_bytes`,
        help: 'Sizes of response body frames.',
        buckets: FRAME_BUCKETS,
      })
      .bind(labels),
    finished(httpStatus, grpcStatus, error, elapsed) {
      seconds.observe(elapsed);
      statuses.of(httpStatus, grpcStatus, error).add(1);
    },
  };
}

export function bindRouteRetry(registry: MetricRegistry, protocol: RouteProtocol, labels: Labels): RouteRetryCells {
  const counter = (name: string, help: string): CounterCell =>
    registry.counter({ name: `outbound_${protocol}_route_retry_${name}_total`, help }).bind(labels);
  return {
    requests: counter('requests', 'Requests that were sent again.'),
    successes: counter('successes', 'Requests that succeeded after they were sent again.'),
    limitExceeded: counter('limit_exceeded', 'Requests that failed although all retries were used.'),
    overflow: counter('overflow', 'Retries that were not made: no endpoint was ready, or the budget was used up.'),
  };
}

/** By what the client saw: the HTTP status, or the name of the gRPC status. */
class StatusCounters {
  readonly #family: MetricFamily<CounterCell>;
  readonly #protocol: RouteProtocol;
  readonly #labels: Labels;
  /** Inbound families have one label for both protocols, and none for errors. */
  readonly #statusLabel: 'status' | undefined;
  /** Without an error: by status. */
  readonly #plain = new Map<number, CounterCell>();
  readonly #failed = new Map<string, CounterCell>();

  constructor(family: MetricFamily<CounterCell>, protocol: RouteProtocol, labels: Labels, statusLabel?: 'status') {
    this.#statusLabel = statusLabel;
    this.#family = family;
    this.#protocol = protocol;
    this.#labels = labels;
  }

  of(httpStatus: number, grpcStatus: number | undefined, error: string): CounterCell {
    const status = this.#protocol === 'http' ? httpStatus : (grpcStatus ?? -1);
    if (error !== '') return this.#failedCell(status, error);
    let cell = this.#plain.get(status);
    if (cell === undefined) {
      cell = this.#bind(status, '');
      this.#plain.set(status, cell);
    }
    return cell;
  }

  #failedCell(status: number, error: string): CounterCell {
    const key = `${status} ${error}`;
    let cell = this.#failed.get(key);
    if (cell === undefined) {
      cell = this.#bind(status, error);
      this.#failed.set(key, cell);
    }
    return cell;
  }

  #bind(status: number, error: string): CounterCell {
    const text = this.#protocol === 'http' ? String(status) : (GRPC_STATUS_NAMES[status] ?? '');
    if (this.#statusLabel !== undefined) return this.#family.bind({ ...this.#labels, [this.#statusLabel]: text });
    return this.#family.bind({ ...this.#labels, [`${this.#protocol}_status`]: text, error });
  }
}
