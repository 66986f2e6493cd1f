/** An API server and requests to its HTTPS door, for tests. */
import { Agent, request } from 'node:https';
import { silentLogger } from '@mesh/runtime';
import { parse } from 'yaml';
import { ApiServer } from '../server.ts';

/** Without controllers and nodes: the API alone. */
export async function startServer(dataFolder?: string): Promise<ApiServer> {
  const address = { host: '127.0.0.1', port: 0 };
  const server = new ApiServer({ name: 'https', address, serviceCidr: '10.96.0.0/16', log: silentLogger, dataFolder });
  await server.start(AbortSignal.timeout(20_000));
  return server;
}

export interface Identity {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** The administrator of the server's own kubeconfig. */
export function adminOf(server: ApiServer): Identity {
  const config = parse(server.kubeconfig('admin')) as {
    clusters: [{ cluster: Record<string, string> }];
    users: [{ user: Record<string, string> }];
  };
  const decode = (text: string | undefined): string => Buffer.from(text ?? '', 'base64').toString('utf8');
  const { cluster } = config.clusters[0];
  const { user } = config.users[0];
  return {
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  };
}

/** One GET over HTTPS; resolves with whatever the answer is, and rejects when it is cut off. */
export function get(server: ApiServer, path: string, identity: Identity): Promise<{ code: number; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ code: number; text: string }>();
  const agent = new Agent(identity);
  request(new URL(path, server.url), { agent }, (response) => {
    let text = '';
    response.setEncoding('utf8');
    response.on('error', reject);
    response.on('data', (chunk: string) => (text += chunk));
    response.on('end', () => {
      agent.destroy();
      resolve({ code: response.statusCode ?? 0, text });
    });
  })
    .on('error', reject)
    .end();
  return promise;
}
