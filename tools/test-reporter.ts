/**
 * A reporter for node:test that prints failures in full, skipped tests with their reason, and one
 * machine-readable summary line that `tools/test.ts` adds up. Passing tests are silent: there are too many to read.
 */
import { relative } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

interface Failure {
  readonly name: string;
  readonly file: string | undefined;
  readonly error: unknown;
}

const where = (file: string | undefined): string => (file === undefined ? '' : ` (${relative(process.cwd(), file)})`);

function describeFailure({ name, file, error }: Failure): string {
  const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const text = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause);
  return `✖ ${name}${where(file)}\n${text.replace(/^/gm, '    ')}\n`;
}

/** A failed suite whose children failed says nothing new. */
function isEcho(error: unknown): boolean {
  return error instanceof Error && 'failureType' in error && error.failureType === 'subtestsFailed';
}

// node:test loads a reporter by its default export.
// oxlint-disable-next-line import/no-default-export
export default async function* report(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  let passed = 0;
  let failed = 0;
  let skipped = 0;
  for await (const event of source) {
    if (event.type === 'test:pass') {
      const { skip, name, file, details } = event.data;
      if (skip !== undefined && skip !== false) {
        skipped += 1;
        yield `- skipped: ${name}${where(file)}${typeof skip === 'string' && skip !== '' ? `: ${skip}` : ''}\n`;
      } else if (details.type !== 'suite') passed += 1;
    } else if (event.type === 'test:fail') {
      if (isEcho(event.data.details.error)) continue;
      failed += 1;
      yield describeFailure({ name: event.data.name, file: event.data.file, error: event.data.details.error });
    } else if (event.type === 'test:stderr' && process.env['MESH_TEST_OUTPUT'] !== undefined) {
      yield event.data.message;
    }
  }
  yield `summary passed=${passed} failed=${failed} skipped=${skipped}\n`;
}
