import type { Settlement } from '../../core/storage/order-storage.ts';
import type { Session } from '../sessions/session.ts';
import { sequencesStatement, unsettledStatement } from '../statements/unsettled-writes.ts';
import { fromKept, toKept } from '../values/kept-text.ts';
import { plainArray, textArray } from '../values/literals.ts';
import type { KnownState } from './plan.ts';

/** What one call of `settle` has found out about its orders. */
export class CallOrders implements KnownState {
  /** The sequences of accepted orders, by id. */
  readonly sequences = new Map<string, number>();
  readonly closed = new Set<string>();
  readonly #session: Session;
  /** Those whose sequences do not come with them. */
  readonly #withoutSequence: readonly Settlement[];

  constructor(session: Session, settlements: readonly Settlement[]) {
    this.#session = session;
    const asked = new Map<string, Settlement>();
    for (const settlement of settlements) {
      const { id, isAccepted, sequence = 0 } = settlement;
      if (isAccepted && sequence > 0) this.sequences.set(id, sequence);
      else asked.set(id, settlement);
    }
    this.#withoutSequence = [...asked.values()];
  }

  /**
   * Looks up the orders whose sequences did not come with them, and those that the storage should not have; `undefined`
   * if there are none.
   */
  lookUp(): Promise<void> | undefined {
    return this.#withoutSequence.length === 0 ? undefined : this.#lookUp();
  }

  async #lookUp(): Promise<void> {
    const ids = textArray(this.#withoutSequence.map(({ id }) => toKept(id)));
    const rows = await this.#session.alone(() =>
      this.#session.query<{ id: string; seq: number }>(sequencesStatement, [ids]),
    );
    const found = new Map(rows.map(({ id, seq }) => [fromKept(id), seq]));
    for (const { id, isAccepted } of this.#withoutSequence) {
      const sequence = found.get(id);
      if (isAccepted && sequence !== undefined) this.sequences.set(id, sequence);
      // One was accepted and is not there, the other one was not and is.
      else if (isAccepted || sequence !== undefined) this.closed.add(id);
    }
  }

  /** Looks them up again: one is not as it was taken to be. */
  async lookUpAgain(): Promise<void> {
    await this.lookUp();
    const sequences = plainArray([...this.sequences.values()]);
    const rows = await this.#session.alone(() =>
      this.#session.query<{ seq: number }>(unsettledStatement, [sequences]),
    );
    const unsettled = new Set(rows.map(({ seq }) => seq));
    for (const [id, sequence] of this.sequences) {
      if (!unsettled.has(sequence)) this.closed.add(id);
    }
  }
}
