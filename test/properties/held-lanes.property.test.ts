/**
 * A held lane runs nothing and loses nothing: random holds, releases, failures, cancellations, retries, restarts and kills, in
 * one storage that keeps orders.
 */
import assert from 'node:assert/strict';
import fc from 'fast-check';
import {
  MemoryStorage,
  OrderError,
  OrderProcessor,
  type Step,
  type StepResult,
} from 'order-processor';
import { describe, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { runsOf } from '../kit/seed.ts';
import { useVirtualClock } from '../kit/virtual-clock.ts';

const clock = useVirtualClock();
const users = ['u', 'v', 'w'];
const user = fc.constantFrom(...users);

type Act =
  | {
      readonly do: 'submit';
      readonly userId: string;
      readonly failures: number;
      readonly refusals: number;
    }
  | { readonly do: 'hold' | 'release' | 'skip' | 'cancel'; readonly userId: string }
  | { readonly do: 'retry'; readonly killedAfter: number | undefined }
  | { readonly do: 'shut down' | 'kill' | 'wait' | 'compensate' };

const acts = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constant('submit' as const),
        userId: user,
        failures: fc.constantFrom(0, 0, 1, 2, 3),
        refusals: fc.constantFrom(0, 0, 1, 2),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({
        do: fc.constantFrom('hold', 'release', 'skip', 'skip', 'cancel' as const),
        userId: user,
      }),
    },
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('retry' as const),
        killedAfter: fc.constantFrom(undefined, undefined, 0, 2, 5, 10, 20),
      }),
    },
    {
      weight: 8,
      arbitrary: fc.record({ do: fc.constantFrom('wait', 'compensate' as const) }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('shut down', 'kill' as const) }) },
  ),
  { minLength: 10, maxLength: 40, size: 'max' },
) as fc.Arbitrary<Act[]>;

class World {
  readonly disk = new MemoryStorage();
  /** By id: how often the order's last step is still to fail. */
  readonly failures = new Map<string, number>();
  /** By id: how often the compensation of its first step is still to fail. */
  readonly refusals = new Map<string, number>();
  /** Accepted orders of each user, in their order. */
  readonly accepted = new Map<string, string[]>(users.map((userId) => [userId, []]));
  /** Users whose hold has been acknowledged, and whose release has not been asked for. */
  readonly held = new Set<string>();
  readonly canceled = new Set<string>();
  storage = new KeptStorage(this.disk);
  processor = this.#open();
  #count = 0;

  /** All that goes wrong in a step. */
  readonly offences: string[] = [];
  /** Orders whose steps run, by user. */
  readonly running = new Map<string, string>();

  #open(): OrderProcessor {
    const { storage } = this;
    const begins: Step = {
      name: 'begins',
      run: async ({ id, userId }, { signal }) => {
        if (storage.isCut) return;
        if (this.held.has(userId)) this.offences.push(`${id} began in a held lane`);
        await this.#runAlone(userId, id, signal);
      },
      compensate: async ({ id, userId }) => {
        if (storage.isCut) return;
        await this.#runAlone(userId, `undo ${id}`);
        const left = this.refusals.get(id) ?? 0;
        if (left === 0 || storage.isCut) return;
        this.refusals.set(id, left - 1);
        throw new OrderError('closed', 'The bank is closed', { retryable: false });
      },
    };
    const fails: Step = {
      name: 'fails',
      after: 'begins',
      run: ({ id }) => {
        const left = this.failures.get(id) ?? 0;
        if (left === 0 || storage.isCut) return;
        this.failures.set(id, left - 1);
        throw new OrderError('unlucky', 'Once more');
      },
    };
    const processor = new OrderProcessor({ storage, steps: [begins, fails], onFailure: 'hold' });
    // Compensations fail.
    return processor.on('error', () => {});
  }

  async #runAlone(userId: string, what: string, signal?: AbortSignal): Promise<void> {
    const other = this.running.get(userId);
    if (other !== undefined) this.offences.push(`${what} began beside ${other}`);
    this.running.set(userId, what);
    await clock.sleep(1, signal).finally(() => this.running.delete(userId));
  }

  async act(act: Act): Promise<void> {
    const { processor } = this;
    switch (act.do) {
      case 'submit': {
        this.#count += 1;
        const id = `o-${this.#count}`;
        this.failures.set(id, act.failures);
        this.refusals.set(id, act.refusals);
        const enqueued = processor.enqueue({ id, userId: act.userId, amount: 1 });
        await clock.settle();
        await enqueued;
        this.accepted.get(act.userId)?.push(id);
        return;
      }
      case 'hold': {
        const held = processor.hold(act.userId);
        await clock.settle();
        await held;
        // What had begun goes on to its end.
        await clock.advance(100);
        this.held.add(act.userId);
        return;
      }
      case 'release':
      case 'skip':
        await this.release(act.userId, act.do === 'skip' ? 'skip' : 'retry');
        return;
      case 'cancel': {
        const [id] = this.accepted.get(act.userId)?.slice(-1) ?? [];
        if (id === undefined) return;
        const canceled = processor.cancel(id);
        await clock.advance(100);
        if (await canceled) this.canceled.add(id);
        return;
      }
      case 'compensate':
        await this.compensate();
        return;
      case 'retry':
        await this.retry(act.killedAfter);
        return;
      case 'shut down': {
        const closed = processor.shutdown();
        await clock.runAll();
        await closed;
        await this.#restart();
        return;
      }
      case 'kill':
        await this.kill();
        return;
      default:
        await clock.advance(3);
    }
  }

  async kill(): Promise<void> {
    this.storage.cut();
    // A dead process retries nothing.
    await clock.hold();
    await this.#restart();
  }

  /** Hands in the first order once more that did not complete; perhaps its process is killed meanwhile. */
  async retry(killedAfter: number | undefined): Promise<void> {
    for (const id of this.#all()) {
      const record = await this.processor.order(id);
      if (record?.settledAt === undefined || record.status === 'completed') continue;
      if (record.retriedAs !== undefined) continue;
      if (killedAfter !== undefined) {
        this.processor.retry(id).catch(() => {});
        for (let turns = 0; turns < killedAfter; turns += 1) await Promise.resolve();
        await this.kill();
      }
      const calls = [this.processor.retry(id), this.processor.retry(id)];
      await clock.settle();
      const [one, other] = await Promise.all(calls);
      assert.equal(one?.id, other?.id);
      this.accepted.get(record.userId)?.push(one?.id as string);
      return;
    }
  }

  /** Runs what failed once more of the first order of which a compensation did; false if there is none. */
  async compensate(): Promise<boolean> {
    for (const id of this.#all()) {
      const record = await this.processor.order(id);
      if (record?.settledAt === undefined || !record.steps.some(isUndone)) continue;
      const calls = [this.processor.compensate(id), this.processor.compensate(id)];
      await clock.advance(100);
      const [one, other] = await Promise.all(calls);
      assert.deepEqual(one, other);
      assert.deepEqual(this.disk.find(id)?.steps, one?.steps);
      return true;
    }
    return false;
  }

  async release(userId: string, action: 'retry' | 'skip'): Promise<void> {
    const { holds } = await this.processor.holds();
    const hold = holds.find((each) => each.userId === userId);
    if (hold === undefined) return;
    this.held.delete(userId);
    const isByOrder = hold.orderId !== undefined;
    const released = this.processor.release(userId, isByOrder ? action : undefined);
    await clock.advance(100);
    // A crash may have come between the end of an order and the end of its hold.
    await released.catch((error) => assert.ok(error instanceof TypeError, String(error)));
  }

  async #restart(): Promise<void> {
    // Whatever the old process still does is not seen.
    await clock.advance(1_000);
    this.running.clear();
    this.storage = new KeptStorage(this.disk);
    this.processor = this.#open();
    await clock.advance(10);
    await this.processor.ready;
  }

  async finish(): Promise<void> {
    for (let round = 0; round < 100; round += 1) {
      for (const userId of users) await this.release(userId, 'retry');
      await clock.advance(1_000);
      if ((await this.processor.holds()).holds.length === 0) break;
    }
    assert.deepEqual((await this.processor.holds()).holds, []);
    while (await this.compensate());
    for (const [userId, ids] of this.accepted) await this.#judge(userId, ids);
    const closed = this.processor.shutdown();
    await clock.runAll();
    await closed;
    assert.deepEqual(this.offences, []);
    assert.deepEqual(this.storage.offences, []);
  }

  #all(): string[] {
    return [...this.accepted.values()].flat();
  }

  async #judge(userId: string, ids: readonly string[]): Promise<void> {
    let completed = 0;
    for (const id of ids) {
      const record = await this.processor.order(id);
      assert.ok(record?.settledAt !== undefined, `${id} has an outcome`);
      const { retryOf, retriedAs } = record;
      if (retryOf !== undefined) assert.equal(this.disk.find(retryOf)?.retriedAs, id);
      if (retriedAs !== undefined) assert.equal(this.disk.find(retriedAs)?.retryOf, id);
      if (this.canceled.has(id)) assert.equal(record.status, 'canceled');
      if (record.status !== 'completed') continue;
      completed += 1;
      // One after the other, in the order accepted.
      assert.equal(record.balance, completed, `${id} came in its turn`);
    }
    assert.equal(this.disk.get(userId) ?? 0, completed);
  }
}

const isUndone = ({ compensation }: StepResult): boolean => compensation?.status === 'error';

describe('held lanes', () => {
  it('invariants 1, 3, 9: run nothing, and lose nothing over restarts', {
    timeout: 3_600_000,
  }, async () => {
    await fc.assert(
      fc.asyncProperty(acts, async (plan) => {
        const world = new World();
        await clock.advance(10);
        await world.processor.ready;
        for (const act of plan) await world.act(act);
        await world.finish();
      }),
      { numRuns: runsOf(isFull ? 1_000 : 30) },
    );
  });
});
