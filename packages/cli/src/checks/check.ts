/** The frame of `check`: categories of checks that run in order, wait for what needs time, and print like Linkerd's. */
import { isAbort, messageOf } from '@mesh/runtime';

/** Thrown by a check whose subject does not exist here; it counts as passed and is not printed. */
export class SkipCheck extends Error {
  override readonly name = 'SkipCheck';
}

export interface Check {
  /** What is checked, as a sentence fragment ("control plane pods are ready"). */
  readonly description: string;
  /** Anchor in docs/check.md, where causes and remedies of a failure are. */
  readonly hint: string;
  /** The rest of the run is pointless after it fails. */
  readonly fatal?: boolean;
  /** A failure is worth a warning only. */
  readonly warning?: boolean;
  /** Repeated until it passes or `--wait` is over. */
  readonly retry?: boolean;
  /** Resolves when all is well; an optional returned text is shown below. Throws what is wrong. */
  readonly run: (signal: AbortSignal) => Promise<string | void>;
}

export interface CheckCategory {
  readonly name: string;
  readonly checks: readonly Check[];
}

export type CheckResult = 'success' | 'warning' | 'error';

export interface CheckOutcome {
  readonly description: string;
  readonly hint?: string;
  readonly error?: string;
  /** What a passed check found, where that is worth showing. Ours, additive to Linkerd's JSON. */
  readonly detail?: string;
  readonly result: CheckResult;
}

export interface CategoryOutcome {
  readonly categoryName: string;
  readonly checks: readonly CheckOutcome[];
}

export interface RunOptions {
  /** How long a retried check may take to pass. */
  readonly waitMs: number;
  readonly retryMs: number;
  readonly signal: AbortSignal;
  readonly onCategory?: (name: string) => void;
  readonly onOutcome?: (outcome: CheckOutcome) => void;
  readonly onWaiting?: (description: string) => void;
}

/** The page that has every anchor; a test holds the two together. */
const HINT_PAGE = 'docs/check.md#';

/** Runs the categories in order; a fatal failure ends the run. */
export async function runChecks(
  categories: readonly CheckCategory[],
  options: RunOptions,
): Promise<readonly CategoryOutcome[]> {
  const outcomes: { categoryName: string; checks: CheckOutcome[] }[] = [];
  for (const category of categories) {
    const done: CheckOutcome[] = [];
    let announced = false;
    for (const check of category.checks) {
      const outcome = await runOne(check, options);
      if (outcome === undefined) continue;
      if (!announced) {
        announced = true;
        outcomes.push({ categoryName: category.name, checks: done });
        options.onCategory?.(category.name);
      }
      done.push(outcome);
      options.onOutcome?.(outcome);
      if (check.fatal === true && outcome.result === 'error') return outcomes;
    }
  }
  return outcomes;
}

/** True when nothing failed; warnings are no failure. */
export function passed(outcomes: readonly CategoryOutcome[]): boolean {
  return outcomes.every((category) => category.checks.every((check) => check.result !== 'error'));
}

async function runOne(check: Check, options: RunOptions): Promise<CheckOutcome | undefined> {
  const deadline = performance.now() + options.waitMs;
  for (;;) {
    try {
      const detail = await check.run(options.signal);
      return {
        description: check.description,
        result: 'success',
        ...(typeof detail === 'string' && detail !== '' ? { detail } : {}),
      };
    } catch (error) {
      if (error instanceof SkipCheck) return undefined;
      if (isAbort(error) && options.signal.aborted) throw error;
      if (check.retry !== true || performance.now() >= deadline) {
        return {
          description: check.description,
          hint: `${HINT_PAGE}${check.hint}`,
          error: messageOf(error),
          result: check.warning === true ? 'warning' : 'error',
        };
      }
      options.onWaiting?.(check.description);
      await pause(options.retryMs, options.signal);
    }
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener('abort', () => (clearTimeout(timer), reject(signal.reason as Error)), { once: true });
  return promise;
}
