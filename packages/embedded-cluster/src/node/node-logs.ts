/** Pod logs for the API server's `log` subresource. */
import type { PodHandler, PodLogOptions } from '../api/pod-handler.ts';
import { badRequest } from '../api/status-error.ts';
import type { KubeObject } from '../api/types.ts';
import { formatLine, type LogLine } from './container-logs.ts';
import type { NodeAgent } from './node-agent.ts';

export function podHandler(node: NodeAgent): PodHandler {
  return { logs: (pod, options, signal) => readLogs(node, pod, options, signal) };
}

async function* readLogs(
  node: NodeAgent,
  pod: KubeObject,
  options: PodLogOptions,
  signal: AbortSignal,
): AsyncIterable<string> {
  const { namespace = '', name = '' } = pod.metadata;
  const runner = node.worker(namespace, name)?.runner(options.container);
  if (runner === undefined) {
    throw badRequest(`container "${options.container}" in pod "${name}" is waiting to start: PodInitializing`);
  }
  if (options.previous && !runner.logs.hasPrevious) {
    throw badRequest(`previous terminated container "${options.container}" in pod "${name}" not found`);
  }
  const waiting = runner.state.waiting?.reason;
  if (waiting !== undefined && runner.restarts === 0) {
    throw badRequest(`container "${options.container}" in pod "${name}" is waiting to start: ${waiting}`);
  }
  const sinceMs =
    options.sinceTime === undefined
      ? options.sinceSeconds === undefined
        ? undefined
        : Date.now() - options.sinceSeconds * 1000
      : Date.parse(options.sinceTime);
  const { previous, tailLines, timestamps } = options;
  const queue: (LogLine | undefined)[] = [...runner.logs.lines({ previous, tailLines, sinceMs })];
  let wake = Promise.withResolvers<void>();
  const stop = runner.logs.follow((line) => {
    if (!options.follow) return;
    queue.push(line);
    wake.resolve();
  });
  signal.addEventListener('abort', () => wake.resolve(), { once: true });
  let bytes = 0;
  try {
    while (!signal.aborted) {
      for (const line of queue.splice(0)) {
        if (line === undefined) return;
        const text = formatLine(line, timestamps);
        bytes += Buffer.byteLength(text);
        if (options.limitBytes !== undefined && bytes > options.limitBytes) {
          yield text.slice(0, Math.max(0, text.length - (bytes - options.limitBytes)));
          return;
        }
        yield text;
      }
      if (
        !options.follow ||
        (runner.state.terminated !== undefined && queue.length === 0 && (await ended(runner.finished)))
      )
        return;
      if (queue.length === 0) await wake.promise;
      wake = Promise.withResolvers<void>();
    }
  } finally {
    stop();
  }
}

/** Whether a promise has settled already. */
async function ended(promise: Promise<unknown>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}
