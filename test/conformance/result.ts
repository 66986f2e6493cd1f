/** What a suite found, and how it is said. */

export interface CaseResult {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
  /** What was expected and what came; failed cases. */
  readonly detail?: string;
}

export interface SuiteResult {
  readonly suite: string;
  /** What was tested, for people. */
  readonly target: string;
  readonly cases: readonly CaseResult[];
  /** The suite did not run at all, and why. */
  readonly skipped?: string;
}

export const count = (result: SuiteResult, outcome: CaseResult['outcome']): number =>
  result.cases.filter((one) => one.outcome === outcome).length;

/** More than that are skipped for one common reason. */
const SKIPPED_NAMED_MAX = 6;

/** Failed cases a line each, then the figures. */
export function formatResult(result: SuiteResult): string {
  const head = `${result.suite} (${result.target})`;
  if (result.skipped !== undefined) return `${head}: skipped: ${result.skipped}`;
  const failures = result.cases
    .filter((one) => one.outcome === 'failed')
    .map(
      (one) =>
        `  failed: ${one.name}${one.detail === undefined ? '' : `\n    ${one.detail.replaceAll('\n', '\n    ')}`}`,
    );
  const skipped = count(result, 'skipped');
  if (skipped > 0 && skipped < SKIPPED_NAMED_MAX)
    for (const one of result.cases) if (one.outcome === 'skipped') failures.push(`  skipped: ${one.name}`);
  const figures = `${count(result, 'passed')} passed, ${count(result, 'failed')} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
  return [...failures, `${head}: ${figures}`].join('\n');
}

export function jsonResult(result: SuiteResult): unknown {
  return {
    suite: result.suite,
    target: result.target,
    passed: count(result, 'passed'),
    failed: count(result, 'failed'),
    skippedCases: count(result, 'skipped'),
    ...(result.skipped === undefined ? {} : { skipped: result.skipped }),
    failures: result.cases.filter((one) => one.outcome === 'failed'),
  };
}
