/** Probes and lifecycle hooks, as the node sends them to a pod from outside. */
import { request as httpRequest } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import type { Container, LifecycleHandler, Probe } from '../controllers/kinds.ts';

/** `undefined` means success, a text why not. */
export type ProbeResult = string | undefined;

export interface ProbeTarget {
  readonly podIp: string;
  /** The node's address, where probes come from. */
  readonly hostIp: string;
  readonly container: Container;
  readonly privilegedOffset: number;
  /** Runs a command in the container; resolves to its exit code. */
  exec(command: readonly string[], timeoutMs: number): Promise<{ readonly code: number; readonly output: string }>;
}

/** One attempt. Never rejects. */
export async function runProbe(
  probe: Probe | LifecycleHandler,
  target: ProbeTarget,
  timeoutMs: number,
): Promise<ProbeResult> {
  try {
    if (probe.httpGet !== undefined) return await probeHttp(probe.httpGet, target, timeoutMs);
    if (probe.tcpSocket !== undefined) return await probeTcp(probe.tcpSocket, target, timeoutMs);
    if (probe.exec !== undefined) {
      const { code, output } = await target.exec(probe.exec.command ?? [], timeoutMs);
      return code === 0 ? undefined : `command exited with ${code}: ${output}`;
    }
    if ('grpc' in probe && probe.grpc !== undefined) return await probeGrpc(probe.grpc, target, timeoutMs);
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

function portOf(port: number | string, target: ProbeTarget): number {
  const named = target.container.ports?.find((each) => each.name === port)?.containerPort;
  const number = named ?? Number(port);
  if (!(number > 0 && number < 65_536)) throw new Error(`port ${JSON.stringify(port)} is not a port of the container`);
  return number < 1024 ? number + target.privilegedOffset : number;
}

function probeHttp(get: NonNullable<Probe['httpGet']>, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const secure = get.scheme === 'HTTPS';
  const port = portOf(get.port, target);
  const headers: Record<string, string> = { 'user-agent': 'kube-probe/1.34', accept: '*/*', connection: 'close' };
  for (const { name, value } of get.httpHeaders ?? []) headers[name.toLowerCase()] = value;
  const options = {
    host: get.host ?? target.podIp,
    port,
    path: get.path ?? '/',
    headers,
    agent: false,
    localAddress: target.hostIp,
    rejectUnauthorized: false,
    signal: AbortSignal.timeout(timeoutMs),
  };
  return new Promise((resolve) => {
    const outgoing = (secure ? httpsRequest : httpRequest)(options, (response) => {
      const status = response.statusCode ?? 0;
      response.resume();
      // The kubelet takes redirects to another host as success, and those to the same host too, with a warning.
      resolve(status >= 200 && status < 400 ? undefined : `HTTP probe failed with statuscode: ${status}`);
    });
    outgoing.once('error', (error) => resolve(error.message || error.name));
    outgoing.end();
  });
}

function probeTcp(tcp: NonNullable<Probe['tcpSocket']>, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const options = { host: tcp.host ?? target.podIp, port: portOf(tcp.port, target), localAddress: target.hostIp };
  return new Promise((resolve) => {
    const socket = connect(options);
    const done = (result: ProbeResult): void => {
      socket.destroy();
      resolve(result);
    };
    socket.setTimeout(timeoutMs, () => done('connection timed out'));
    socket.once('connect', () => done(undefined));
    socket.once('error', (error) => done(error.message));
  });
}

/** grpc.health.v1.Health/Check, whose messages are small enough to write by hand. */
function probeGrpc(grpc: NonNullable<Probe['grpc']>, target: ProbeTarget, timeoutMs: number): Promise<ProbeResult> {
  const service = Buffer.from(grpc.service ?? '');
  const message = service.length === 0 ? service : Buffer.concat([Buffer.from([0x0a, service.length]), service]);
  const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message]);
  return new Promise((resolve) => {
    const session = connectHttp2(`http://${target.podIp}:${portOf(grpc.port, target)}`);
    const done = (result: ProbeResult): void => {
      clearTimeout(timer);
      session.destroy();
      resolve(result);
    };
    const timer = setTimeout(() => done('health check timed out'), timeoutMs);
    session.once('error', (error) => done(error.message));
    const stream = session.request({
      ':method': 'POST',
      ':path': '/grpc.health.v1.Health/Check',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    let answer = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => (answer = Buffer.concat([answer, chunk])));
    stream.once('error', (error) => done(error.message));
    // Status SERVING is field 1 with value 1.
    stream.once('end', () => done(answer[5] === 0x08 && answer[6] === 1 ? undefined : 'service is not SERVING'));
    stream.end(frame);
  });
}
