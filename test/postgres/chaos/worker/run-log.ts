import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { textArray } from '../../../../src/postgres/values/literals.ts';
import { partitionOf } from '../../../../src/postgres/values/partition.ts';
import type { WorkerOptions } from '../messages.ts';

/** What a step or a compensation says of itself. */
export interface RunRow {
  /** One run of one step. */
  readonly run: string;
  readonly event: 'began' | 'ended' | 'declined';
  readonly userId: string;
  readonly orderId: string;
  readonly step: 'pay' | 'ship' | 'deliver' | 'refund';
  readonly key: string;
  /** The run of `pay` whose result the step was given. */
  readonly paidBy: string;
}

/**
 * Writes what runs into a table of the test. A row has the epoch in which the worker owned the user's partition while it
 * was written, and none if it did not: so the rows say by themselves which of two runs was the owner's. It also has the
 * order that held the lane then.
 */
export class RunLog {
  readonly #options: WorkerOptions;
  #client: Client | undefined;
  #waiting: { readonly row: RunRow; readonly resolve: () => void }[] = [];
  #isWriting = false;

  constructor(options: WorkerOptions) {
    this.#options = options;
  }

  /** Resolves when the row is kept, however long the server is away. */
  write(row: RunRow): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ row, resolve });
      if (!this.#isWriting) void this.#writeAll();
    });
  }

  async #writeAll(): Promise<void> {
    this.#isWriting = true;
    // What comes in one turn is written together.
    await new Promise(setImmediate);
    while (this.#waiting.length > 0) {
      const some = this.#waiting.splice(0, 200);
      await this.#insert(some.map(({ row }) => row));
      for (const { resolve } of some) resolve();
    }
    this.#isWriting = false;
  }

  /** A row that was written by a call whose answer was lost is left as it is. */
  async #insert(rows: readonly RunRow[]): Promise<void> {
    const { schema, name, partitions } = this.#options;
    const text = `INSERT INTO chaos.runs (run, event, user_id, order_id, step, key, paid_by, worker, epoch, held_by)
      SELECT x.run, x.event, x.user_id, x.order_id, x.step, x.key, x.paid_by, $1, (SELECT t.epoch
        FROM ${schema}.partitions t JOIN ${schema}.processors p ON p.number = t.owner
        WHERE t.part = x.part AND p.name = $1), (SELECT h.order_id FROM chaos.holds h WHERE h.user_id = x.user_id)
      FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::int[])
        AS x (run, event, user_id, order_id, step, key, paid_by, part)
      ON CONFLICT (run, event) DO NOTHING`;
    const column = (of: (row: RunRow) => string): string => textArray(rows.map(of));
    const parts = rows.map(({ userId }) => partitionOf(userId, partitions));
    const values = [
      name,
      column(({ run }) => run),
      column(({ event }) => event),
      column(({ userId }) => userId),
      column(({ orderId }) => orderId),
      column(({ step }) => step),
      column(({ key }) => key),
      column(({ paidBy }) => paidBy),
      `{${parts.join(',')}}`,
    ];
    for (;;) {
      try {
        await (await this.#connected()).query(text, values);
        return;
      } catch {
        this.#client = undefined;
        await sleep(20);
      }
    }
  }

  async #connected(): Promise<Client> {
    if (this.#client !== undefined) return this.#client;
    const client = new Client({ connectionString: this.#options.witnessUrl });
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    this.#client = client;
    return client;
  }
}
