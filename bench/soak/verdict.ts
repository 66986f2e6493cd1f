/** Whether what was sampled during a soak is sound: no failed request, no memory and no descriptor that grows. Pure. */
import { round } from '../lib/report.ts';
import { fit } from './regression.ts';

/** A sidecar at a moment. */
export interface Sample {
  readonly minute: number;
  /** Pages that the process has written. */
  readonly privateMb: number;
  readonly rssMb: number;
  readonly descriptors: number;
}

export interface Growth {
  readonly process: string;
  readonly what: 'private_mb' | 'rss_mb' | 'descriptors';
  readonly mean: number;
  readonly per_minute: number;
  /** Standard error of that. */
  readonly per_minute_error: number;
  /** Growth of the least of each tenth of the time: waves leave it alone, a leak lifts it. */
  readonly floor_per_minute: number;
  readonly isFlat: boolean;
}

/** Compilers and caches fill up first: a fifth of the time, at least a minute where there is one to spare. */
export function warmUpMinutes(minutes: number): number {
  return Math.max(minutes / 5, Math.min(1, minutes / 2));
}

/**
 * What may be seen without a leak, a minute: a twentieth of a megabyte is 1.5 MB in half an hour, as much as a collector's own swing; a leak of one descriptor for
 * each connection of the churn would be twelve hundred.
 */
const GROWTH_MAX = { private_mb: 0.05, rss_mb: 0.05, descriptors: 0.2 } as const;
/** Standard errors that chance explains. */
const NOISE = 2;

const FLOORS = 10;

/** Growth of each figure of a process after the warm-up; none where there are too few samples. */
export function growth(process: string, samples: readonly Sample[], minutes: number): Growth[] {
  const settled = samples.filter(({ minute }) => minute >= warmUpMinutes(minutes));
  const line = (what: Growth['what'], read: (sample: Sample) => number): Growth[] => {
    const fitted = fit(settled.map((sample) => ({ x: sample.minute, y: read(sample) })));
    if (fitted === undefined) return [];
    const { slope, slopeError, mean } = fitted;
    const floor = fit(floors(settled, read));
    const isFlat =
      slope <= GROWTH_MAX[what] + NOISE * slopeError &&
      (floor === undefined || floor.slope <= GROWTH_MAX[what] + NOISE * floor.slopeError);
    return [
      {
        process,
        what,
        mean: round(mean, 1),
        per_minute: round(slope, 3),
        per_minute_error: round(slopeError, 3),
        floor_per_minute: round(floor?.slope ?? slope, 3),
        isFlat,
      },
    ];
  };
  return [
    ...line('private_mb', ({ privateMb }) => privateMb),
    ...line('rss_mb', ({ rssMb }) => rssMb),
    ...line('descriptors', ({ descriptors }) => descriptors),
  ];
}

/** The least of each part of the time, in its middle. */
function floors(samples: readonly Sample[], read: (sample: Sample) => number): { x: number; y: number }[] {
  const size = Math.ceil(samples.length / FLOORS);
  return Array.from({ length: Math.ceil(samples.length / Math.max(1, size)) }, (_, index) => {
    const part = samples.slice(index * size, (index + 1) * size);
    const x = part.reduce((sum, { minute }) => sum + minute, 0) / part.length;
    return { x, y: Math.min(...part.map(read)) };
  });
}

/** In words; empty when all is well. */
export function faults(
  requests: { readonly answered: number; readonly failed: number; readonly reasons: Readonly<Record<string, number>> },
  all: readonly Growth[],
): string[] {
  const { answered, failed, reasons } = requests;
  const why = Object.entries(reasons).map(([reason, count]) => `${count} × ${reason}`);
  return [
    ...(answered === 0 ? ['no request was answered'] : []),
    ...(failed > 0 ? [`${failed} of ${answered + failed} requests failed: ${why.join('; ')}`] : []),
    ...(all.length === 0 ? ['too few samples for a verdict on growth: run for more minutes'] : []),
    ...all
      .filter(({ isFlat }) => !isFlat)
      .map(
        (each) =>
          `${each.what} of ${each.process} grows by ${each.per_minute} ± ${each.per_minute_error} a minute, its floor by ${each.floor_per_minute}`,
      ),
  ];
}
