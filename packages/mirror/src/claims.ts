/** Which keys want a Service of a certain name here: when a foreign one of that name goes, they get their turn. */
export class Claims {
  readonly #keys = new Map<string, Set<string>>();

  set(localKey: string, key: string, isWanted: boolean): void {
    const keys = this.#keys.get(localKey);
    if (isWanted) {
      if (keys === undefined) this.#keys.set(localKey, new Set([key]));
      else keys.add(key);
      return;
    }
    keys?.delete(key);
    if (keys?.size === 0) this.#keys.delete(localKey);
  }

  of(localKey: string): Iterable<string> {
    return this.#keys.get(localKey) ?? [];
  }
}
