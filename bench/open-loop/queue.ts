/** Numbers that wait, first in, first out. */
export class Queue {
  #items: number[] = [];
  #first = 0;

  push(item: number): void {
    this.#items.push(item);
  }

  shift(): number | undefined {
    const item = this.#items[this.#first];
    if (item === undefined) return undefined;
    this.#first += 1;
    // Half of the array is behind us: let it go, so that each item is moved once at most on average.
    if (this.#first > 1024 && this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
}
