/** The access log of the inbound side: a line for every request that was read, when it is over, whoever answered it. */
import type { Address } from '@mesh/net';
import type { Clock, Component, MetricRegistry } from '@mesh/runtime';
import type { RequestFacts } from '../http/facts.ts';
import type { RequestEnd, RoutedRequest } from '../http/service.ts';
import { formatAccess } from './format.ts';
import type { AccessLogFormat } from './format.ts';
import { LineWriter } from './line-writer.ts';
import type { WriteBytes } from './line-writer.ts';

/** Where a request's trace is looked for, the first that is there. */
const TRACE_FIELDS = ['x-b3-traceid', 'x-request-id', 'x-amzn-trace-id'];
/** For the last lines of a process that ends. */
const CLOSE_MS = 1000;

export interface AccessLogDeps {
  readonly clock: Clock;
  readonly registry: MetricRegistry;
  readonly write: WriteBytes;
}

export class AccessLog implements Component {
  readonly name = 'access-log';
  readonly #format: AccessLogFormat;
  readonly #clock: Clock;
  readonly #writer: LineWriter;

  constructor(format: AccessLogFormat, deps: AccessLogDeps) {
    const lines = deps.registry.counter({
      name: 'mesh_access_log_lines_total',
      help: 'Lines of the access log by what became of them: dropped when nobody reads them fast enough.',
    });
    this.#format = format;
    this.#clock = deps.clock;
    const written = lines.bind({ result: 'written' });
    const dropped = lines.bind({ result: 'dropped' });
    this.#writer = new LineWriter({ write: deps.write, clock: deps.clock, written, dropped });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#writer.close(CLOSE_MS);
  }

  /** To be called for each request of a client's connection when it was read. @param identity Of its certificate. */
  of(client: Address, identity: string | undefined): (request: RoutedRequest) => void {
    const address = `${client.ip.includes(':') ? `[${client.ip}]` : client.ip}:${client.port}`;
    const id = identity ?? '';
    return (request) => {
      request.onOver = (end) => this.#tell(address, id, request.facts, end);
    };
  }

  #tell(clientAddress: string, clientId: string, facts: RequestFacts, end: RequestEnd): void {
    const host = facts.authority();
    const path = facts.path();
    this.#writer.write(
      formatAccess(this.#format, {
        ...end,
        clientAddress,
        clientId,
        atMs: this.#clock.now() - end.totalMs,
        method: facts.method(),
        uri: host === '' ? path : `http://${host}${path}`,
        version: facts.version === 2 ? 'HTTP/2.0' : end.ancient ? 'HTTP/1.0' : 'HTTP/1.1',
        host,
        userAgent: facts.field('user-agent') ?? '',
        traceId: traceOf(facts),
      }),
    );
  }
}

function traceOf(facts: RequestFacts): string {
  for (const name of TRACE_FIELDS) {
    const value = facts.field(name);
    if (value !== undefined) return value;
  }
  return '';
}
