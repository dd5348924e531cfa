/** First in, first out, in constant time; a `Set` walks over what has left before it finds the first. */
export class Fifo<T> {
  #members: (T | undefined)[] = [];
  #head = 0;

  get isEmpty(): boolean {
    return this.#head === this.#members.length;
  }

  push(member: T): void {
    this.#members.push(member);
  }

  shift(): T | undefined {
    if (this.isEmpty) return undefined;
    const member = this.#members[this.#head];
    this.#members[this.#head] = undefined;
    this.#head += 1;
    if (this.#head * 2 > this.#members.length) {
      this.#members = this.#members.slice(this.#head);
      this.#head = 0;
    }
    return member;
  }
}
