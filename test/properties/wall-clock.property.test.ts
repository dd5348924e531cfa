import { setImmediate as turn } from 'node:timers/promises';
import { array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check';
import {
  type BalanceStorage,
  isOrderError,
  MemoryStorage,
  type OrderOutcome,
  OrderProcessor,
  type OrderRecord,
  type Step,
} from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { isFull } from '../kit/full.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { runsOf } from '../kit/seed.ts';
import { useFolder } from '../sqlite/helpers.ts';

const files = useFolder();
afterEach(() => {
  vi.restoreAllMocks();
});

const hour = 3_600_000;
/** What no order of a test takes; the clock is set by more. */
const muchMs = 60_000;

const plan = record({
  storage: constantFrom('memory', 'balances', 'slow balances', 'kept', 'file'),
  steps: constantFrom('none', 'at once', 'slow', 'both'),
  orders: array(
    record({
      userId: constantFrom('a', 'b'),
      amount: integer({ min: -3, max: 5 }),
      way: constantFrom('submit', 'enqueue', 'canceled', 'awaited'),
    }),
    { minLength: 1, maxLength: 8 },
  ),
  /** By how many hours the machine's clock is off, from one point at which it may be set to the next. */
  hours: array(constantFrom(-1, 0, 1), { minLength: 1, maxLength: 7 }),
  failures: integer({ min: 0, max: 2 }),
});

type Plan = typeof plan extends { generate: (...given: never[]) => { value: infer T } } ? T : never;

/** A machine's clock that is set at any point, while the monotonic one goes on. */
class WallClock {
  readonly #hours: readonly number[];
  #points = 0;

  constructor(hours: readonly number[]) {
    this.#hours = hours;
    const now = Date.now.bind(Date);
    vi.spyOn(Date, 'now').mockImplementation(() => now() + this.#offMs);
  }

  get #offMs(): number {
    return (this.#hours[this.#points % this.#hours.length] as number) * hour;
  }

  point(): void {
    this.#points += 1;
  }
}

class Balances implements BalanceStorage {
  readonly #memory = new MemoryStorage();
  readonly #wall: WallClock;
  readonly #isSlow: boolean;

  constructor(wall: WallClock, isSlow: boolean) {
    this.#wall = wall;
    this.#isSlow = isSlow;
  }

  get(userId: string) {
    return this.#memory.get(userId);
  }

  apply(changes: Parameters<MemoryStorage['apply']>[0]) {
    this.#wall.point();
    if (!this.#isSlow) return this.#memory.apply(changes);
    return turn().then(() => {
      this.#wall.point();
      return this.#memory.apply(changes);
    });
  }
}

class Scenario {
  readonly #plan: Plan;
  readonly #wall: WallClock;
  readonly #disk = new MemoryStorage();
  readonly #name = `orders-${Math.random()}.db`;
  #failures: number;
  readonly #receipts = new Map<string, Promise<OrderOutcome>>();
  /** All that was said of an order, by its id. */
  readonly #said = new Map<string, OrderRecord[]>();

  constructor(planned: Plan) {
    this.#plan = planned;
    this.#failures = planned.failures;
    this.#wall = new WallClock(planned.hours);
  }

  async run(): Promise<void> {
    const first = await this.#open();
    for (const [at, order] of this.#plan.orders.entries()) {
      this.#handIn(first, `o-${at}`, order);
      if (order.way === 'awaited') await this.#receipts.get(`o-${at}`);
      if (at % 3 === 0) await turn();
      this.#wall.point();
      this.#checkStats(first);
    }
    for (const [at, order] of this.#plan.orders.entries())
      await this.#again(first, `o-${at}`, order);
    await first.onIdle();
    // Of an order that the storage kept, and then failed, it only knows the moment.
    await this.#check(first, this.#failures < this.#plan.failures ? 3 * hour : muchMs);
    await this.#checkAfterRestart(first);
  }

  #handIn(processor: OrderProcessor, id: string, { userId, amount, way }: Plan['orders'][number]) {
    const order = { id, userId, amount };
    const said = (kept: OrderRecord): void => this.#say(kept);
    if (way === 'enqueue') processor.enqueue(order).then(said, () => {});
    this.#receipts.set(id, outcomeOf(processor.submit(order)));
    processor.order(id).then((kept) => kept && this.#say(kept));
    if (way === 'canceled') void processor.cancel(id);
  }

  /** An order that the storage failed to keep or to settle is handed in again, as its error advises. */
  async #again(
    processor: OrderProcessor,
    id: string,
    order: Plan['orders'][number],
  ): Promise<void> {
    for (let count = 0; count < 10; count += 1) {
      const outcome = await this.#receipts.get(id);
      if (!isFailedByStorage(outcome)) return;
      this.#wall.point();
      await new Promise((resolve) => setTimeout(resolve, 5));
      const { userId, amount } = order;
      // It may not have been kept, and is accepted anew.
      this.#said.delete(id);
      this.#receipts.set(id, outcomeOf(processor.submit({ id, userId, amount })));
    }
  }

  #say(kept: OrderRecord): void {
    const known = this.#said.get(kept.id);
    if (known === undefined) this.#said.set(kept.id, [kept]);
    else known.push(kept);
  }

  async #storage(): Promise<BalanceStorage> {
    const { storage } = this.#plan;
    if (storage === 'memory') return this.#disk;
    if (storage === 'file') return files.open({}, this.#name);
    if (storage !== 'kept') return new Balances(this.#wall, storage === 'slow balances');
    const kept = new KeptStorage(this.#disk);
    kept.fate = async (method) => {
      this.#wall.point();
      await turn();
      this.#wall.point();
      if (this.#failures === 0 || (method !== 'accept' && method !== 'settle')) return 'works';
      this.#failures -= 1;
      return 'fails late';
    };
    return kept;
  }

  async #open(): Promise<OrderProcessor> {
    const { steps } = this.#plan;
    const atOnce: Step = { name: 'at once', run: () => this.#wall.point() };
    const slow: Step = {
      name: 'slow',
      run: async ({ userId }, { signal }) => {
        await turn();
        this.#wall.point();
        await turn();
        if (userId === 'held') await untilAborted(signal);
      },
    };
    const all = { none: [], 'at once': [atOnce], slow: [slow], both: [atOnce, slow] }[steps];
    const storage = await this.#storage();
    const processor = new OrderProcessor({ storage, steps: all, minBalance: -4 });
    for (const name of ['accepted', 'started'] as const) {
      if (steps !== 'none') processor.on(name, (kept) => this.#say(kept));
    }
    processor.on('completed', () => this.#wall.point());
    await processor.ready;
    return processor;
  }

  /** What was kept and not begun is processed by another processor. */
  async #checkAfterRestart(first: OrderProcessor): Promise<void> {
    const { storage, steps } = this.#plan;
    const isKept = storage === 'kept' || storage === 'file';
    if (!isKept || steps === 'none' || steps === 'at once') {
      await first.shutdown();
      return;
    }
    const before = await Promise.all(
      ['h-1', 'h-2', 'h-3'].map((id) => first.enqueue({ id, userId: 'held', amount: 1 })),
    );
    for (const kept of before) this.#say(kept);
    await first.shutdown({ timeoutMs: 5 });
    this.#wall.point();
    const second = await this.#open();
    this.#wall.point();
    this.#checkStats(second, 3 * hour);
    await turn();
    await second.cancel('h-2');
    await second.cancel('h-3');
    await second.onIdle();
    await this.#check(second, 3 * hour);
    for (const { id } of before) {
      // The time between the two is the machine's clock's to say.
      checkTimes((await second.order(id)) as OrderRecord, 3 * hour);
    }
    await second.shutdown();
  }

  /** What is said of an order later is what was said first. */
  async #check(processor: OrderProcessor, longestWaitMs: number): Promise<void> {
    this.#checkStats(processor, longestWaitMs);
    const listed = new Map((await processor.orders()).orders.map((kept) => [kept.id, kept]));
    for (const [id, first] of this.#receipts) {
      this.#wall.point();
      const kept = await processor.order(id);
      expect(kept, id).toEqual(listed.get(id));
      const outcome = await first;
      if (kept === undefined) throw new Error(`Expected ${id} to be known`);
      checkTimes(kept, longestWaitMs);
      for (const said of this.#said.get(id) ?? []) {
        expect(said.acceptedAt, id).toBe(kept.acceptedAt);
        if (said.startedAt !== undefined) expect(said.startedAt, id).toBe(kept.startedAt);
      }
      const again = await processor.outcome(id);
      const { waitMs, durationMs } = 'error' in outcome ? outcome.error : outcome;
      expect(again === undefined || 'error' in again ? again?.error : again, id).toMatchObject(
        'error' in outcome ? { waitMs, durationMs, code: outcome.error.code } : outcome,
      );
      if (kept.startedAt === undefined)
        expect([waitMs, durationMs]).toEqual([undefined, undefined]);
      else {
        expect(waitMs, id).toBe(kept.startedAt - kept.acceptedAt);
        expect(durationMs, id).toBe((kept.settledAt as number) - kept.startedAt);
      }
    }
  }

  #checkStats(processor: OrderProcessor, longestWaitMs = muchMs): void {
    const { oldestWaitMs, waitMs, durationMs } = processor.stats();
    expect(oldestWaitMs).toBeGreaterThanOrEqual(0);
    if (this.#receipts.size === 0) return;
    expect(waitMs.max).toBeLessThan(longestWaitMs);
    expect(durationMs.max).toBeLessThan(muchMs);
  }
}

function checkTimes({ id, acceptedAt, startedAt, settledAt }: OrderRecord, longest: number): void {
  const moments = [acceptedAt, startedAt ?? acceptedAt, settledAt as number];
  expect(moments, id).toEqual([...moments].sort());
  expect((settledAt as number) - acceptedAt, id).toBeLessThan(longest);
}

function isFailedByStorage(outcome: OrderOutcome | undefined): boolean {
  if (outcome === undefined || outcome.status === 'completed') return false;
  return outcome.error.code === 'storage_failed';
}

function outcomeOf(promise: Promise<OrderOutcome>): Promise<OrderOutcome> {
  return promise.catch((error) => {
    if (!isOrderError(error)) throw error;
    return { status: 'failed', error };
  });
}

function untilAborted(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason));
  });
}

describe('a machine’s clock that is set by an hour at any point', () => {
  it('invariant 5: changes no moment of an order, and no duration', async () => {
    await assert(
      asyncProperty(plan, async (planned) => {
        vi.restoreAllMocks();
        await new Scenario(planned).run();
      }),
      { numRuns: runsOf(isFull ? 400 : 25) },
    );
  }, 3_600_000);
});
