/**
 * The demo on a terminal: every step with its state and time, and the traffic as it flows, redrawn in place ten times a second.
 *
 *     ✔ the mesh in both, under one trust anchor                         4.2 s
 *       identity, destination, policy, injector, gateway and mirror are available
 *     ⠹ east's catalog is killed; west answers                           0.3 s
 */
import type { Accounting } from './accounting.ts';
import type { DemoDocument, StepOutcome } from './document.ts';
import type { Step } from './steps.ts';
import { summaryText } from './summary.ts';
import { fit, paint, seconds, trafficLines } from './text.ts';
import type { DemoView } from './view.ts';

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const;
const FRAME_MS = 100;
const TITLE_WIDTH = 58;
const HEADER_LINES = 3;
/** What the picture needs at least: every title, one detail, the header and the traffic of three targets. */
export const LIVE_SIZE_MIN = { columns: 74, rows: 24 } as const;

export class LivePicture implements DemoView {
  readonly #steps: readonly Step[];
  readonly #accounting: Accounting;
  readonly #write: (text: string) => void;
  readonly #outcomes = new Map<string, StepOutcome>();
  readonly #startedAt = performance.now();
  #current: { readonly step: Step; readonly startedAt: number } | undefined;
  #timer: NodeJS.Timeout | undefined;
  #drawn = 0;
  #frame = 0;
  #traffic: readonly string[] = [];

  constructor(options: {
    readonly steps: readonly Step[];
    readonly accounting: Accounting;
    readonly write: (text: string) => void;
  }) {
    this.#steps = options.steps;
    this.#accounting = options.accounting;
    this.#write = options.write;
  }

  begin(step: Step): void {
    this.#current = { step, startedAt: performance.now() };
    if (this.#timer === undefined) {
      this.#write('\u001b[?25l');
      this.#timer = setInterval(() => this.#draw(), FRAME_MS);
    }
    this.#draw();
  }

  end(outcome: StepOutcome): void {
    this.#outcomes.set(outcome.name, outcome);
    this.#current = undefined;
    this.#draw();
  }

  finish(document: DemoDocument): void {
    this.#traffic = [];
    this.#draw(true);
    this.#write(summaryText(document, true));
    this.#drawn = 0;
  }

  close(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#write('\u001b[?25h');
  }

  #draw(last = false): void {
    this.#frame += 1;
    // Summing up all requests ten times a second would cost more than it shows.
    if (!last && this.#frame % 5 === 0) this.#traffic = this.#trafficNow();
    const width = process.stderr.columns ?? process.stdout.columns ?? 100;
    const lines = [
      '',
      `  ${paint('mesh', 'bold', true)}  two clusters, one federation${seconds(performance.now() - this.#startedAt).padStart(TITLE_WIDTH - 20)}`,
      '',
      ...this.#steps.flatMap((step) => this.#stepLines(step, width, last || this.#hasRoomForAll())),
      ...(this.#traffic.length === 0 ? [] : ['', ...this.#traffic]),
    ];
    const up = this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r`;
    this.#write(`${up}${lines.map((line) => `${line}\u001b[K\n`).join('')}\u001b[J`);
    this.#drawn = lines.length;
  }

  /** Redrawing in place works only for a picture that fits: on a small terminal older steps keep just their title. */
  #hasRoomForAll(): boolean {
    const needed = HEADER_LINES + 2 * this.#steps.length + 1 + this.#traffic.length;
    return needed < (process.stdout.rows ?? 0);
  }

  #stepLines(step: Step, width: number, details: boolean): readonly string[] {
    const title = fit(step.title, TITLE_WIDTH).padEnd(TITLE_WIDTH);
    const outcome = this.#outcomes.get(step.name);
    if (outcome !== undefined) {
      const sign = outcome.ok ? paint('✔', 'green', true) : paint('✘', 'red', true);
      const detail = outcome.detail.split('\n')[0] ?? '';
      const text = outcome.ok ? paint(fit(detail, width - 6), 'dim', true) : paint(outcome.detail, 'red', true);
      const line = `  ${sign} ${title} ${seconds(outcome.ms).padStart(7)}`;
      return details || !outcome.ok || [...this.#outcomes.keys()].at(-1) === step.name ? [line, `    ${text}`] : [line];
    }
    if (this.#current?.step === step) {
      const frame = paint(FRAMES[this.#frame % FRAMES.length] ?? '', 'cyan', true);
      return [`  ${frame} ${title} ${seconds(performance.now() - this.#current.startedAt).padStart(7)}`];
    }
    return [paint(`  · ${title}`, 'dim', true)];
  }

  #trafficNow(): readonly string[] {
    const targets = this.#accounting.byTarget();
    return Object.keys(targets).length === 0 ? [] : trafficLines(targets, this.#accounting.total(), true);
  }
}
