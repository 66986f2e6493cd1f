/** "Did you mean …?": the known name that is the fewest edits away. */
import { editDistance } from '@mesh/runtime';

/** Undefined when nothing is close: more than a third of the letters would have to change. */
export function nearest(name: string, known: readonly string[]): string | undefined {
  const last = name.slice(name.lastIndexOf('.') + 1).toLowerCase();
  let best: { readonly name: string; readonly distance: number } | undefined;
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (best === undefined || distance < best.distance) best = { name: candidate, distance };
  }
  if (best !== undefined && best.distance <= Math.max(2, Math.floor(name.length / 3))) return best.name;
  // The right name in the wrong group.
  return known.find((candidate) => candidate.slice(candidate.lastIndexOf('.') + 1).toLowerCase() === last);
}
