/** The probe's server: says who it is and whom its sidecar says that it talks with. */
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { ServerReport } from './report.ts';

export const SERVER_PORT = 8080;

/** Resolves when it listens. */
export function startServer(options: { readonly pod: string; readonly port: number }): Promise<Server> {
  const server = createServer((request, response) => {
    const identity = request.headers['l5d-client-id'];
    const report: ServerReport = {
      pod: options.pod,
      clientIdentity: typeof identity === 'string' ? identity : '',
      httpVersion: request.httpVersion,
    };
    request.resume();
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify(report));
  });
  const { promise, resolve, reject } = Promise.withResolvers<Server>();
  server.once('error', reject);
  server.listen(options.port, () => resolve(server));
  return promise;
}
