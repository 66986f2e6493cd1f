/** Runs cases of one target and says which one broke it. */
import { readCorpus } from './corpus.ts';
import { mutate, pieces } from './mutate.ts';
import { Random } from './random.ts';
import { TARGETS } from './targets.ts';

export interface Failure {
  readonly target: string;
  readonly seed: number;
  readonly index: number;
  readonly input: string;
  readonly message: string;
}

/** @param step Called before each case with its number; false ends the run. */
export function runCases(
  target: string,
  seed: number,
  from: number,
  count: number,
  step: (index: number) => boolean,
): Failure | undefined {
  const check = TARGETS[target];
  if (check === undefined)
    throw new Error(`there is no fuzz target ${target}; targets are ${Object.keys(TARGETS).join(', ')}`);
  const corpus = readCorpus(target);
  for (let index = from; index < from + count; index += 1) {
    if (!step(index)) return undefined;
    const random = new Random(seed, index);
    // The corpus itself comes first.
    const input = index < corpus.length ? (corpus[index] as Buffer) : mutate(corpus, random);
    try {
      check(input, pieces(input, random));
    } catch (error) {
      const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
      return { target, seed, index, input: input.toString('hex'), message };
    }
  }
  return undefined;
}
