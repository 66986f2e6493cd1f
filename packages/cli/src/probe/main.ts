/**
 * Role `probe` of image `mesh`: the two ends of the traffic that `mesh check --traffic` sends, and the look-ups of
 * `mesh multicluster dns --check`.
 *
 * Usage: probe server
 *        probe client NAME=URL…
 *        probe resolve A:NAME|TXT:NAME…
 */
import { runClient } from './client.ts';
import type { ProbeTarget } from './client.ts';
import { formatReport } from './report.ts';
import { formatResolveReport, parseQuestion, runResolve } from './resolve.ts';
import { SERVER_PORT, startServer } from './server.ts';

const [mode, ...words] = process.argv.slice(process.argv.indexOf('probe') + 1);
if (mode === 'server') await server();
else if (mode === 'client') await client();
else if (mode === 'resolve') await resolve();
else usage(`unknown mode ${JSON.stringify(mode ?? '')}; known: server, client, resolve`);

async function server(): Promise<void> {
  const listening = await startServer({ pod: process.env['_pod_name'] ?? '', port: SERVER_PORT });
  for (const signal of ['SIGTERM', 'SIGINT'] as const)
    process.once(signal, () => {
      listening.close();
      listening.closeAllConnections();
    });
}

async function client(): Promise<void> {
  const targets = words.map((word): ProbeTarget => {
    const equals = word.indexOf('=');
    const url = word.slice(equals + 1);
    if (equals <= 0 || !URL.canParse(url)) usage(`target ${JSON.stringify(word)}: expected NAME=URL`);
    return { name: word.slice(0, equals), url };
  });
  if (targets.length === 0) usage('probe client needs at least one NAME=URL');
  const good = await runClient({
    targets,
    requests: 20,
    startTimeoutMs: 60_000,
    adminUrl: process.env['MESH_PROBE_ADMIN_URL'] ?? '',
    onReport: (report) => process.stdout.write(formatReport(report)),
  });
  process.exitCode = good ? 0 : 1;
}

async function resolve(): Promise<void> {
  const questions = words.map(
    (word) => parseQuestion(word) ?? usage(`question ${JSON.stringify(word)}: expected A:NAME or TXT:NAME`),
  );
  if (questions.length === 0) usage('probe resolve needs at least one A:NAME or TXT:NAME');
  const good = await runResolve({
    questions,
    timeoutMs: 8_000,
    onReport: (report) => process.stdout.write(formatResolveReport(report)),
  });
  process.exitCode = good ? 0 : 1;
}

function usage(problem: string): never {
  process.stderr.write(`mesh probe: ${problem}\n`);
  process.exit(64);
}
