/** Requests counted twice: as they come from a peer, and as they leave for the Service, so that each side of a gateway can be read alone. */
import type { CounterCell, HttpCells } from '@mesh/proxy';

export class BothSides implements HttpCells {
  readonly requestTotal: CounterCell;
  readonly #inbound: HttpCells;
  readonly #outbound: HttpCells;

  constructor(inbound: HttpCells, outbound: HttpCells) {
    this.#inbound = inbound;
    this.#outbound = outbound;
    this.requestTotal = {
      add(n) {
        inbound.requestTotal.add(n);
        outbound.requestTotal.add(n);
      },
    };
  }

  response(status: number, success: boolean, latencyMs: number, error: string, grpcStatus?: number): void {
    this.#inbound.response(status, success, latencyMs, error, grpcStatus);
    this.#outbound.response(status, success, latencyMs, error, grpcStatus);
  }
}
