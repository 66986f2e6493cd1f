/** Cells of requests and responses for one label set; response cells are bound when their status first occurs. */
import type { CounterCell, HistogramCell, MetricFamily } from '@mesh/runtime';
import type { HttpCells, Labels } from '../ports.ts';

export interface HttpFamilies {
  readonly requestTotal: MetricFamily<CounterCell>;
  readonly responseTotal: MetricFamily<CounterCell>;
  readonly responseLatencyMs: MetricFamily<HistogramCell>;
}

interface ResponseCells {
  readonly total: CounterCell;
  readonly latencyMs: HistogramCell;
}

export class BoundHttpCells implements HttpCells {
  readonly requestTotal: CounterCell;
  readonly #families: HttpFamilies;
  readonly #labels: Labels;
  /** Plain HTTP: by status, negative where it failed. */
  readonly #plain = new Map<number, ResponseCells>();
  /** The one that was asked for last: mostly it is asked for again. */
  #lastKey = 0;
  #lastCells: ResponseCells | undefined;
  /** With a gRPC status or an error. */
  readonly #other = new Map<string, ResponseCells>();

  constructor(families: HttpFamilies, labels: Labels) {
    this.#families = families;
    this.#labels = labels;
    this.requestTotal = families.requestTotal.bind(labels);
  }

  response(status: number, success: boolean, latencyMs: number, error: string, grpcStatus?: number): void {
    const plain = error === '' && grpcStatus === undefined;
    const cells = plain ? this.#plainCells(status, success) : this.#otherCells(status, success, error, grpcStatus);
    cells.total.add(1);
    cells.latencyMs.observe(latencyMs);
  }

  #plainCells(status: number, success: boolean): ResponseCells {
    const key = success ? status : -status;
    if (key === this.#lastKey && this.#lastCells !== undefined) return this.#lastCells;
    let cells = this.#plain.get(key);
    if (cells === undefined) {
      cells = this.#bind(status, success, '', undefined);
      this.#plain.set(key, cells);
    }
    this.#lastKey = key;
    this.#lastCells = cells;
    return cells;
  }

  #otherCells(status: number, success: boolean, error: string, grpcStatus: number | undefined): ResponseCells {
    const key = `${status} ${success} ${grpcStatus ?? ''} ${error}`;
    const known = this.#other.get(key);
    if (known !== undefined) return known;
    const cells = this.#bind(status, success, error, grpcStatus);
    this.#other.set(key, cells);
    return cells;
  }

  #bind(status: number, success: boolean, error: string, grpcStatus: number | undefined): ResponseCells {
    const base = { ...this.#labels, status_code: status === 0 ? '' : String(status) };
    return {
      total: this.#families.responseTotal.bind({
        ...base,
        classification: success ? 'success' : 'failure',
        grpc_status: grpcStatus === undefined ? '' : String(grpcStatus),
        error,
      }),
      latencyMs: this.#families.responseLatencyMs.bind(base),
    };
  }
}
