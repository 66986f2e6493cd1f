/**
 * Sends requests until each has the status that is expected of it, and tells what was answered, one line of JSON a request. Usage: http-client
 * JSON, a list of {@link ExpectedAnswer}; it goes on existing afterwards, so that its log can be read.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { LiveResult } from './live-client.ts';

export interface ExpectedAnswer {
  readonly name: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: number;
}

/** Names resolve, and routes and policies exist, a moment after they were made. */
const TIMEOUT_MS = 60_000;

async function send({ name, url, headers, status }: ExpectedAnswer): Promise<LiveResult> {
  const deadline = Date.now() + TIMEOUT_MS;
  for (;;) {
    const answer = await fetch(url, { headers }).then(
      async (response) => ({ status: response.status, body: await response.text() }),
      (error: unknown) => ({ status: 0, body: String(error) }),
    );
    if (answer.status === status) return { name, detail: answer.body };
    if (Date.now() > deadline) return { name, error: `${answer.status} ${answer.body}` };
    await pause(100);
  }
}

for (const request of JSON.parse(process.argv[2] ?? '[]') as readonly ExpectedAnswer[]) {
  process.stdout.write(`${JSON.stringify(await send(request))}\n`);
}
process.stdout.write(`${JSON.stringify({ name: 'end' })}\n`);
setInterval(() => undefined, 60_000);
