import type { StoredOrder } from 'order-processor';
import type { Life } from '../../../src/postgres/members/life.ts';
import type { Statement } from '../../../src/postgres/sessions/session.ts';

interface Call {
  readonly name: string;
  readonly values: readonly unknown[];
  readonly answer: (rows: readonly object[]) => void;
}

/** A session for reads whose answers a test gives when it wants to. */
export class FakeRead {
  readonly calls: Call[] = [];
  /** What is answered at once to the question when delayed orders are due; nothing by default. */
  nextDue: readonly object[] = [];
  /** The number of the processor is 7. */
  readonly life = {
    number: 7,
    read: {
      query: ({ name }: Statement, values: readonly unknown[]) =>
        name === 'next_due'
          ? Promise.resolve(this.nextDue)
          : new Promise((resolve) => {
              this.calls.push({ name, values, answer: resolve });
            }),
    },
  } as unknown as Life;

  /** Answers the oldest call, which must be of that statement. */
  async answer(name: string, rows: readonly object[] = []): Promise<void> {
    for (let tries = 0; this.calls.length === 0 && tries < 10; tries += 1) await Promise.resolve();
    const call = this.calls.shift();
    if (call?.name !== name) throw new Error(`Expected ${name} to be read, got ${call?.name}`);
    call.answer(rows);
    for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
  }
}

export function rowOf(seq: number, userId = 'u', more: object = {}): object {
  return {
    seq,
    id: `o-${seq}`,
    user_id: userId,
    amount: 1,
    priority: 1,
    accepted_at: 1,
    not_before: null,
    payload: null,
    content: null,
    labels: null,
    postings: null,
    losses: 0,
    decided: null,
    compensations: null,
    remembered: null,
    part: 0,
    is_to_cancel: false,
    ...more,
  };
}

/** Rows of a page of partition 0. */
export function pageOf(seqs: readonly number[], hasMore: boolean, userId = 'u'): object[] {
  const readTo = seqs.at(-1) ?? null;
  if (seqs.length === 0) return [{ pagePart: 0, readTo, hasMore, seq: null }];
  return seqs.map((seq) => ({ ...rowOf(seq, userId), pagePart: 0, readTo, hasMore }));
}

export function orderOf(sequence: number, userId = 'u'): StoredOrder {
  return { id: `o-${sequence}`, userId, sequence } as StoredOrder;
}
