/** Reproducible random choices: the same seed makes the same choices. */
export class Random {
  #state: number;

  /** @param seed any text. Seeds that differ in one letter give different choices. */
  constructor(seed: string) {
    this.#state = [...seed].reduce((hash, letter) => Math.imul(hash ^ (letter.codePointAt(0) as number), 0x01000193), 0x811c9dc5 | 0);
    for (let i = 0; i < 4; i++) this.#next();
  }

  /** Mulberry32. */
  #next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  }

  /** Returns a number from 0 to `bound` - 1. */
  below(bound: number): number {
    return bound < 2 ? 0 : this.#next() % bound;
  }

  chance(of: number): boolean {
    return this.below(of) === 0;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  /** Returns one of the choices, or undefined if there are none. */
  pickAny<T>(choices: readonly T[]): T | undefined {
    return choices.length === 0 ? undefined : this.pick(choices);
  }
}
