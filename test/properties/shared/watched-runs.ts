import type { AcceptedOrder, OrderRecord, StepContext } from 'order-processor';
import type { SharedDatabase, Tenure } from '../../kit/shared-database.ts';
import type { SharedStorage } from '../../kit/shared-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { HandHolds } from './hand-holds.ts';
import type { Work } from './plan.ts';

interface Running {
  readonly id: string;
  readonly userId: string;
  readonly at: number;
  readonly tenure: Tenure | undefined;
}

/** What the runs of orders need of the driver. */
interface Sources {
  readonly clock: VirtualClock;
  readonly database: SharedDatabase;
  readonly storages: readonly SharedStorage[];
  readonly isAsked: boolean;
  readonly holds: HandHolds;
  /** Processors whose process is dead: what they still do is not seen. */
  readonly killed: ReadonlySet<number>;
  readonly wrong: string[];
}

/** What steps do, and which invariants are seen broken when orders and their steps begin. */
export class WatchedRuns {
  readonly #sources: Sources;
  readonly #running = new Set<Running>();
  /** By id: how often the step, or its compensation, has run. */
  readonly #runs = new Map<string, number>();
  /** The keys of runs that were compensated. */
  readonly #compensated = new Set<string>();

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** The processing of an order begins. */
  started({ id, userId }: OrderRecord, at: number): void {
    const { database, holds, killed, wrong } = this.#sources;
    const tenure = this.#tenureOf(userId, at);
    // A processor that has not heard of its loss is held back by the fence.
    if (tenure === undefined || tenure !== database.ownerOf(userId) || killed.has(at)) return;
    const holder = database.holdOf(userId)?.orderId;
    if (holder !== undefined) {
      wrong.push(`invariant 1: ${id} begins at ${at}, in a lane that ${holder} holds`);
    } else if (holds.has(userId)) {
      wrong.push(`invariant 1: ${id} begins at ${at}, in a lane that is held by hand`);
    }
  }

  /** The step of an order. */
  async work(order: AcceptedOrder, at: number, context: StepContext): Promise<void> {
    const { clock, isAsked, killed, wrong } = this.#sources;
    const { id, userId, notBefore = 0 } = order;
    const { ms, end, isDeaf } = order.payload as Work;
    const { signal, idempotencyKey } = context;
    if (killed.has(at)) return;
    if (Date.now() < notBefore) wrong.push(`shared rule 14: ${id} begins before its time`);
    const tenure = this.#tenureOf(userId, at);
    if (tenure === undefined) {
      wrong.push(`invariant 12: ${id} begins at ${at}, which knows that it does not own it`);
    }
    if (isAsked && tenure?.isLost) {
      wrong.push(`shared rule 16: ${id} begins at ${at}, which has lost it`);
    }
    if (!tenure?.isLost && this.#compensated.has(idempotencyKey)) {
      wrong.push(`invariant 9: ${idempotencyKey} begins at ${at}, and was compensated`);
    }
    await this.#alone({ id, userId, at, tenure }, () =>
      clock.sleep(ms, isDeaf ? undefined : signal),
    );
    const isFirst = this.#count(id) === 1;
    if (end === 'fails' || (end === 'fails once' && isFirst)) {
      throw Object.assign(new Error('No'), { code: 'declined' });
    }
    if (end === 'throws once' && isFirst) throw new Error('A bug');
  }

  /** The compensation of the step. */
  async compensate(
    { id, userId, payload }: AcceptedOrder,
    at: number,
    { idempotencyKey }: { readonly idempotencyKey: string },
  ): Promise<void> {
    const { clock, killed } = this.#sources;
    if (killed.has(at)) return;
    const what = `the compensation of ${id}`;
    const tenure = this.#tenureOf(userId, at);
    await this.#alone({ id: what, userId, at, tenure }, () => clock.sleep(2));
    if (this.#count(what) <= (payload as Work).refusals) {
      throw Object.assign(new Error('Closed'), { code: 'closed' });
    }
    if (!tenure?.isLost) this.#compensated.add(idempotencyKey);
  }

  /** A process is dead. */
  died(at: number): void {
    for (const each of this.#running) if (each.at === at) this.#running.delete(each);
  }

  #tenureOf(userId: string, at: number): Tenure | undefined {
    return this.#sources.storages[at]?.tenureOf(userId);
  }

  #count(what: string): number {
    const count = (this.#runs.get(what) ?? 0) + 1;
    this.#runs.set(what, count);
    return count;
  }

  async #alone(running: Running, run: () => Promise<void>): Promise<void> {
    const { id, userId, tenure } = running;
    for (const other of this.#running) {
      // One that has lost its partition, and has not heard of it, can neither be held back nor made to end.
      if (other.userId !== userId || other.tenure?.isLost || tenure?.isLost) continue;
      this.#sources.wrong.push(`invariant 1: ${id} begins while ${other.id} runs`);
    }
    this.#running.add(running);
    try {
      await run();
    } finally {
      this.#running.delete(running);
    }
  }
}
