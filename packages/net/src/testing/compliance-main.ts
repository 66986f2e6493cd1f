/** Runs the compliance suite without a test runner and prints one JSON line per case: for runtimes without node:test. */
import { createNodeDriver } from '../node-driver.ts';
import { complianceCases } from './compliance.ts';

const only = process.argv[2];
const driver = createNodeDriver();
for (const { name, run } of complianceCases) {
  if (only !== undefined && !name.includes(only)) continue;
  let error: string | undefined;
  try {
    await run(driver);
  } catch (thrown) {
    error = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
  }
  process.stdout.write(`${JSON.stringify({ name, error })}\n`);
}
process.exit(0);
