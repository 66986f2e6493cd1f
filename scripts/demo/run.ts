/** Runs the steps in order and sums up; the first failed step ends the story. */
import { isAbort, messageOf } from '@mesh/runtime';
import type { DemoDocument, StepOutcome } from './document.ts';
import type { DemoState } from './state.ts';
import type { Step } from './steps.ts';
import type { DemoView } from './view.ts';

export async function runSteps(steps: readonly Step[], state: DemoState, view: DemoView): Promise<DemoDocument> {
  const startedAt = performance.now();
  const outcomes: StepOutcome[] = [];
  for (const step of steps) {
    view.begin(step);
    const outcome = await runStep(step, state);
    outcomes.push(outcome);
    view.end(outcome);
    if (!outcome.ok) break;
  }
  const traffic = state.accounting.total();
  const held = outcomes.length === steps.length && outcomes.every((outcome) => outcome.ok);
  return {
    ok: held && state.lostLog === undefined && traffic.failed <= state.failover.in_flight,
    total_ms: Math.round(performance.now() - startedAt),
    steps: outcomes,
    traffic: { ...traffic, targets: state.accounting.byTarget() },
    failover: state.failover,
    identities: state.identities,
  };
}

async function runStep(step: Step, state: DemoState): Promise<StepOutcome> {
  const startedAt = performance.now();
  const outcome = (ok: boolean, detail: string): StepOutcome => ({
    name: step.name,
    ok,
    ms: Math.round(performance.now() - startedAt),
    detail,
  });
  try {
    const detail = await step.run(state);
    if (state.lostLog !== undefined) return outcome(false, `a traffic log was lost: ${messageOf(state.lostLog)}`);
    return outcome(true, detail);
  } catch (error) {
    return outcome(false, isAbort(error) && state.signal.aborted ? 'interrupted' : messageOf(error));
  }
}
