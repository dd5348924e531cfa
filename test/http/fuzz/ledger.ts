import { setTimeout as sleep } from 'node:timers/promises';
import type { OrderProcessor } from 'order-processor';
import { clientIdOf } from '../../../src/server/client-ids.ts';
import type { Answer } from './answer.ts';
import type { World } from './requests.ts';

/** An order as an answer or an event shows it. */
interface Entry {
  readonly userId: string;
  readonly amount: number;
}

/** A line of the feed of outcomes. */
interface Told {
  readonly cursor: string;
  readonly sequence: number;
  readonly order: { readonly id: string };
}

/** What was acknowledged to clients, against what the processor has done. */
export class Ledger {
  readonly faults: string[] = [];
  readonly #processor: OrderProcessor;
  readonly #accepted = new Map<string, Entry>();
  readonly #acknowledged = new Map<string, Entry | undefined>();
  /** How many outcomes feeds have told. */
  outcomes = 0;
  /** How often a lane was held. */
  holds = 0;

  constructor(processor: OrderProcessor) {
    this.#processor = processor;
    processor.on('accepted', ({ id, userId, amount }) => {
      if (this.#accepted.has(id)) this.faults.push(`accepted twice: ${id}`);
      this.#accepted.set(id, { userId, amount });
    });
    processor.on('held', () => {
      this.holds += 1;
    });
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** Notes what an answer to `POST /orders` or to a batch says was accepted. */
  note({ status, headers, text }: Answer): void {
    const location = headers.get('location');
    if (location !== null) {
      const id = decodeURIComponent(location.replace(/^(\.\.\/)*orders\//, ''));
      const told = JSON.parse(text) as Entry & { id?: string; orderId?: string };
      if ((told.id ?? told.orderId) !== id) this.faults.push(`${location} is another order's`);
      this.#acknowledge(id, status < 300 ? told : undefined);
    } else if (status === 200 && headers.get('content-type') === 'application/x-ndjson') {
      this.#noteLines(text);
    }
  }

  /** Notes what the beginning of a feed of outcomes says. */
  noteFeed(text: string, { cursors }: World): void {
    let last = 0;
    for (const line of text.split('\n').slice(0, -1)) {
      const { cursor, sequence, order } = JSON.parse(line) as Told;
      if (!(sequence > last)) this.faults.push(`outcome ${sequence} behind ${last}`);
      if (!this.#accepted.has(order.id)) this.faults.push(`outcome of no order: ${order.id}`);
      last = sequence;
      this.outcomes += 1;
      if (cursors.length < 100) cursors.push(cursor);
    }
  }

  #noteLines(text: string): void {
    const lines = text.split('\n').filter((line) => line !== '');
    for (const [at, line] of lines.entries()) {
      const told = JSON.parse(line) as Entry & { index: number; status: string; orderId: string };
      if (told.index !== at) this.faults.push(`index ${told.index} in line ${at}`);
      if (told.status === 'refused') continue;
      this.#acknowledge(told.orderId, told.status === 'completed' ? told : undefined);
    }
  }

  #acknowledge(id: string, told: Entry | undefined): void {
    this.#acknowledged.set(id, told ?? this.#acknowledged.get(id));
  }

  /**
   * When all answers are there.
   *
   * @param hasAll - whether every answer has reached its client, so that nothing else may have been accepted
   */
  async close(hasAll: boolean): Promise<string[]> {
    await this.#processor.onIdle();
    while ((await this.#processor.holds({ limit: 1 })).holds.length > 0) {
      await sleep(5);
      await this.#processor.onIdle();
    }
    for (const [id, told] of this.#acknowledged) {
      // A client of one user has ids of its own.
      const own = [id, `~u-1~${id}`].flatMap((stored) => this.#accepted.get(stored) ?? []);
      if (own.length === 0) this.faults.push(`acknowledged, not accepted: ${id}`);
      else if (told !== undefined && !own.some((each) => isSame(each, told))) {
        this.faults.push(`acknowledged as another order: ${id}`);
      }
    }
    if (hasAll) {
      for (const [id, { userId }] of this.#accepted) {
        const isHeard = [id, clientIdOf(id, userId)].some((each) => this.#acknowledged.has(each));
        if (!isHeard) this.faults.push(`accepted, not acknowledged: ${id}`);
      }
    }
    await this.#checkBalances();
    await this.#checkFeed();
    const { unsettled, waitingCallers, stalled } = this.#processor.stats();
    if (unsettled + waitingCallers + stalled > 0) this.faults.push('something is left');
    return this.faults;
  }

  async #checkBalances(): Promise<void> {
    const sums = new Map<string, number>();
    for (const [id, own] of this.#accepted) {
      const record = await this.#processor.order(id);
      if (record?.settledAt === undefined) this.faults.push(`not settled: ${id}`);
      const applied = record?.status === 'completed' ? [own, ...record.postings] : [];
      for (const { userId, amount } of applied) {
        sums.set(userId, (sums.get(userId) ?? 0) + amount);
      }
    }
    for (const [userId, sum] of sums) {
      const balance = (await this.#processor.balance(userId)) ?? 0;
      if (balance !== sum) this.faults.push(`${userId}: ${balance} in place of ${sum}`);
      await this.#checkStatement(userId, sum);
    }
  }

  /** Each movement follows from the one before, and the last one leaves the balance. */
  async #checkStatement(userId: string, sum: number): Promise<void> {
    let balance = 0;
    let cursor: string | undefined;
    do {
      const page = await this.#processor.movements(userId, { limit: 1_000, cursor });
      for (const movement of page.movements) {
        balance += movement.amount;
        if (movement.balance !== balance) this.faults.push(`statement of ${userId}: ${balance}`);
      }
      cursor = page.cursor;
    } while (cursor !== undefined);
    if (balance !== sum) this.faults.push(`statement of ${userId} ends with ${balance}`);
  }

  /** The feed has each order once. */
  async #checkFeed(): Promise<void> {
    const left = new Set(this.#accepted.keys());
    if (left.size === 0) return;
    for await (const { order } of this.#processor.outcomes({
      signal: AbortSignal.timeout(2_000),
    })) {
      if (!left.delete(order.id)) this.faults.push(`outcome without an order: ${order.id}`);
      if (left.size === 0) return;
    }
    this.faults.push(`${left.size} orders without an outcome`);
  }
}

function isSame(a: Entry, b: Entry): boolean {
  return a.userId === b.userId && a.amount === b.amount;
}
