import { MemoryStorage } from 'order-processor';

/** A memory whose calls of `settle` do this in place of their work, as often as given. */
export class FailingMemory extends MemoryStorage {
  /** The ids in its calls. */
  readonly asked: string[] = [];
  readonly #fail: () => unknown;
  #times: number;

  /** @param fail - throws, or gives a promise that rejects */
  constructor(fail: () => unknown, times = Infinity) {
    super();
    this.#fail = fail;
    this.#times = times;
  }

  override settle(settlements: Parameters<MemoryStorage['settle']>[0]) {
    for (const { id } of settlements) this.asked.push(id);
    if (this.#times === 0) return super.settle(settlements);
    this.#times -= 1;
    return this.#fail() as ReturnType<MemoryStorage['settle']>;
  }
}
