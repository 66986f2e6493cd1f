/** When the requests of an open loop are due: independent of each other, so the gaps are exponential (a Poisson process), and the same for the same seed. */

/** Times in milliseconds from the start, ascending: about `rate` a second for `durationS` seconds. */
export function arrivals(rate: number, durationS: number, seed: number): Float64Array {
  const random = generator(seed);
  const times: number[] = [];
  const endMs = durationS * 1000;
  const meanGapMs = 1000 / rate;
  for (let at = gap(random, meanGapMs); at < endMs; at += gap(random, meanGapMs)) times.push(at);
  return Float64Array.from(times);
}

const gap = (random: () => number, meanMs: number): number => -Math.log(1 - random()) * meanMs;

/** Numbers in [0, 1): a linear congruential generator modulo 2^32 with Knuth's constants, whose high bits are good enough for gaps. */
function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
