/** Connections that get nothing: counted with their reason, and reset. */
import type { Conn } from '@mesh/net';
import type { FailureCode, Labels, ProxyMetrics } from '@mesh/proxy';
import type { Logger } from '@mesh/runtime';

export type RefusalReason =
  | FailureCode
  | 'client_connections'
  | 'direct_without_tls'
  | 'direct_without_transport_header'
  | 'no_identity'
  | 'no_client_identity'
  | 'not_a_peer'
  | 'bad_transport_header';

export class Refusals {
  readonly #deps: { readonly metrics: ProxyMetrics; readonly logger: Logger };

  constructor(deps: { readonly metrics: ProxyMetrics; readonly logger: Logger }) {
    this.#deps = deps;
  }

  /** @param labels Of the client, as far as it is known. */
  count(error: string, labels: Labels): void {
    this.#deps.metrics.errors('inbound_tcp_errors_total', { error, ...labels }).add(1);
  }

  refuse(conn: Conn<unknown>, reason: RefusalReason, labels: Labels): void {
    this.count(reason, labels);
    this.#deps.logger.debug('connection refused', { reason, peer: conn.remote, ...labels });
    conn.reset();
  }
}
