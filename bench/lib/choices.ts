/** Lists on the command line, checked word by word: an error names the flag, the word and what it may be. */

/** The words of a list; empty where the flag was not given. */
export function choices<T extends string>(flag: string, text: string | undefined, allowed: readonly T[]): readonly T[] {
  return words(flag, text).map((word) => {
    const found = allowed.find((name) => name === word);
    if (found === undefined) throw new UsageError(`--${flag}: ${word} is none of ${allowed.join(', ')}`);
    return found;
  });
}

/** Positive whole numbers; empty where the flag was not given. */
export function numbers(flag: string, text: string | undefined): readonly number[] {
  return words(flag, text).map((word) => positive(flag, word));
}

/** One positive whole number. */
export function positive(flag: string, text: string): number {
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value === 0)
    throw new UsageError(`--${flag}: ${text === '' ? 'nothing' : text} is not a positive whole number, such as 32`);
  return value;
}

/** Said with the usage, and without a stack. */
export class UsageError extends Error {}

function words(flag: string, text: string | undefined): readonly string[] {
  if (text === undefined) return [];
  const list = text.split(',').map((word) => word.trim());
  if (list.includes(''))
    throw new UsageError(`--${flag}: ${text === '' ? 'nothing' : text} has an empty word: write A,B`);
  return [...new Set(list)];
}
