import type { Settlement } from '../../core/storage/order-storage.ts';
import type { Writer } from '../thread/wire.ts';

/**
 * Settlements that may be in the file without an answer that said so. The processor hands them in again, and then
 * only their rows say what they came to.
 */
export class UnconfirmedSettlements {
  /** Of calls that are under way. */
  readonly #underWay = new Set<readonly Settlement[]>();
  /** Of calls that failed: no more than the processor has unsettled. */
  readonly #failed = new Set<string>();

  /** Follows a call until it is answered, or a later one with its orders is. */
  async during<T>(settlements: readonly Settlement[], call: () => Promise<T>): Promise<T> {
    this.#underWay.add(settlements);
    try {
      const answer = await call();
      if (this.#failed.size > 0) for (const { id } of settlements) this.#failed.delete(id);
      return answer;
    } catch (error) {
      for (const { id } of settlements) this.#failed.add(id);
      throw error;
    } finally {
      this.#underWay.delete(settlements);
    }
  }

  /** Writes the ids of all. */
  write(writer: Writer): void {
    const ids = new Set(this.#failed);
    for (const settlements of this.#underWay) for (const { id } of settlements) ids.add(id);
    writer.number(ids.size);
    for (const id of ids) writer.text(id);
  }
}
