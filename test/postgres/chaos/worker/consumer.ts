import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import type { OrderProcessor, SettledOutcome } from '../../../../src/index.ts';
import { plainArray, textArray } from '../../../../src/postgres/values/literals.ts';
import type { ChaosPayload, WorkerOptions } from '../messages.ts';

/** How many outcomes one transaction stores at most. */
const mostAtOnce = 20;

/**
 * A consumer of outcomes, to be killed: what it gets and its cursor are stored in one transaction. It ends when another
 * one has gone on.
 */
export class Consumer {
  readonly #options: WorkerOptions;
  readonly #processor: OrderProcessor<ChaosPayload>;
  readonly #report: (problem: string) => void;
  #isRunning = false;

  constructor(
    options: WorkerOptions,
    processor: OrderProcessor<ChaosPayload>,
    report: (problem: string) => void,
  ) {
    this.#options = options;
    this.#processor = processor;
    this.#report = report;
  }

  start(): void {
    if (!this.#isRunning) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    let isAhead = true;
    while (isAhead) {
      const client = new Client({ connectionString: this.#options.witnessUrl });
      client.on('error', () => {});
      try {
        await client.connect();
        isAhead = await this.#consume(client);
      } catch (error) {
        const { code } = error as { code?: unknown };
        if (error instanceof RangeError || code === 'history_forgotten') {
          this.#report(`The outcome feed failed: ${(error as Error).message}`);
        }
        await sleep(50);
      } finally {
        await client.end().catch(() => {});
      }
    }
    this.#isRunning = false;
  }

  /** Returns false when another consumer has gone on, or the processor has closed. */
  async #consume(client: Client): Promise<boolean> {
    const { rows } = await client.query<{ cursor: string | null }>(
      'SELECT cursor FROM chaos.place',
    );
    let cursor = rows[0]?.cursor ?? null;
    const outcomes = this.#processor.outcomes(cursor === null ? {} : { after: cursor });
    let batch: SettledOutcome[] = [];
    for (let next = outcomes.next(); ; ) {
      const result = await Promise.race([next, sleep(batch.length === 0 ? 1_000 : 10)]);
      if (result?.done) return false;
      if (result !== undefined) {
        batch.push(result.value);
        next = outcomes.next();
        if (batch.length < mostAtOnce) continue;
      }
      const last = batch.at(-1);
      if (last === undefined) continue;
      if (!(await this.#store(client, batch, cursor))) {
        next.catch(() => {});
        return false;
      }
      cursor = last.cursor;
      batch = [];
    }
  }

  async #store(
    client: Client,
    batch: readonly SettledOutcome[],
    before: string | null,
  ): Promise<boolean> {
    const text = `WITH p AS (
        UPDATE chaos.place SET cursor = $1 WHERE cursor IS NOT DISTINCT FROM $2 RETURNING 1)
      INSERT INTO chaos.consumed (settlement, id, status)
      SELECT x.* FROM unnest($3::bigint[], $4::text[], $5::text[]) AS x WHERE EXISTS (SELECT FROM p)`;
    const { rowCount } = await client.query(text, [
      batch.at(-1)?.cursor,
      before,
      plainArray(batch.map(({ sequence }) => sequence)),
      textArray(batch.map(({ order }) => order.id)),
      textArray(batch.map(({ order }) => order.status)),
    ]);
    return rowCount === batch.length;
  }
}
