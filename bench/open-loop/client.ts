/** What the generators send requests by. */
import type { Body, Protocol } from '../lib/protocols.ts';

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly protocol: Protocol;
  readonly body: Body;
  readonly connections: number;
}

/** What became of a request, by the number it was sent with. A cancelled one is not told of. */
export interface Outcomes {
  answered(index: number): void;
  failed(index: number, why: string): void;
}

/** Connections that are kept, and opened anew when they end. Requests that find none free wait their turn. */
export interface Client {
  /** Resolves once all connections are open; rejects with what a connection met. */
  open(): Promise<void>;
  send(index: number): void;
  /** Gives a request up in the middle: HTTP/1.1 ends its connection by RST, HTTP/2 its stream. */
  cancel(index: number): void;
  /** Ends all connections at once. */
  close(): void;
}
