/** How the demo looks: a live picture on a terminal, plain lines elsewhere, nothing with `--json`. */
import type { DemoDocument, StepOutcome } from './document.ts';
import type { Step } from './steps.ts';
import type { Accounting } from './accounting.ts';
import { LivePicture } from './live-picture.ts';
import { summaryText } from './summary.ts';
import { seconds } from './text.ts';

export interface DemoView {
  begin(step: Step): void;
  end(outcome: StepOutcome): void;
  finish(document: DemoDocument): void;
  /** Removes what must not stay on the screen. */
  close(): void;
}

export function createView(options: {
  readonly mode: 'live' | 'plain' | 'silent';
  readonly steps: readonly Step[];
  readonly accounting: Accounting;
  readonly write: (text: string) => void;
}): DemoView {
  switch (options.mode) {
    case 'silent':
      return { begin: () => undefined, end: () => undefined, finish: () => undefined, close: () => undefined };
    case 'plain':
      return plainView(options.steps, options.write);
    case 'live':
      return new LivePicture(options);
  }
}

function plainView(steps: readonly Step[], write: (text: string) => void): DemoView {
  const line = (text: string): void => write(`${text}\n`);
  return {
    begin: (step) => line(`[${steps.indexOf(step) + 1}/${steps.length}] ${step.title} ...`),
    end: (outcome) => line(`      ${outcome.ok ? 'ok' : 'FAILED'} in ${seconds(outcome.ms)}: ${outcome.detail}`),
    finish: (document) => write(summaryText(document, false)),
    close: () => undefined,
  };
}
