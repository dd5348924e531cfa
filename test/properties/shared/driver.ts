import { type Hold, OrderProcessor, type Step } from 'order-processor';
import { AskedStorage } from '../../kit/asked-storage.ts';
import { randomFrom } from '../../kit/random.ts';
import { type Faults, SharedDatabase } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import { Calls } from './calls.ts';
import { HandHolds } from './hand-holds.ts';
import type { Command, Plan } from './plan.ts';
import { WatchedRuns } from './watched-runs.ts';

/** Plays a plan: several processors on one database, and partitions that move. */
export class Driver {
  readonly database: SharedDatabase;
  readonly processors: OrderProcessor[];
  readonly storages: SharedStorage[];
  readonly calls: Calls;
  /** Invariants that were seen broken while it ran. */
  readonly wrong: string[] = [];
  readonly #plan: Plan;
  readonly #clock: VirtualClock;
  /** Processors that have shut down, or whose process is dead. */
  readonly #closed = new Set<number>();
  readonly #killed = new Set<number>();
  readonly #runs: WatchedRuns;
  #isCalm = false;

  constructor(plan: Plan, clock: VirtualClock, faults: Faults) {
    this.#plan = plan;
    this.#clock = clock;
    const random = randomFrom(plan.seed);
    const delay = (most = 3): Promise<void> => clock.sleep(1 + Math.floor(random() * most));
    this.database = new SharedDatabase(plan.partitions, delay, faults);
    const at = Array.from({ length: plan.processors }, (_, each) => each);
    const Storage = plan.isAsked ? AskedStorage : SharedStorage;
    this.storages = at.map(() => new Storage(this.database));
    for (const [each, storage] of this.storages.entries()) {
      storage.fate = () => {
        if (this.#killed.has(each)) return 'never ends';
        if (this.#isCalm || random() >= plan.failures) return 'works';
        return random() < 0.5 ? 'fails' : 'fails late';
      };
    }
    const { database, storages, wrong } = this;
    const holds = new HandHolds();
    this.#runs = new WatchedRuns({
      ...{ clock, database, storages, wrong, holds },
      ...{ isAsked: plan.isAsked, killed: this.#killed },
    });
    this.processors = at.map((each) => this.#processor(each));
    this.calls = new Calls({
      ...{ database, holds },
      at: (number) => this.#at(number),
      processor: (each) => this.processors[each] as OrderProcessor,
    });
    for (const partition of this.database.owners.keys()) this.#give(partition, partition);
  }

  async run(): Promise<void> {
    for (const command of this.#plan.commands) {
      await this.#do(command);
      await this.#clock.settle();
    }
    this.#isCalm = true;
    await this.#clock.advance(60_000);
    for (const [partition, owner] of this.database.owners.entries()) {
      if (owner === undefined) this.#give(partition, this.#last);
    }
    await this.#clock.advance(600_000);
    await this.#releaseAll();
    await this.#compensateAll();
    for (const [at, processor] of this.processors.entries()) {
      if (this.#closed.has(at)) continue;
      const { unsettled, queueLength, activeWorkers, heldLanes } = processor.stats();
      if (unsettled + queueLength + activeWorkers + heldLanes === 0) continue;
      this.wrong.push(`invariant 4: ${unsettled} orders, ${heldLanes} holds are left at ${at}`);
    }
    const ends = this.processors.map((each, at) =>
      each.shutdown(this.#killed.has(at) ? { timeoutMs: 5 } : undefined),
    );
    await this.#clock.runAll();
    await Promise.all(ends);
  }

  /** The one processor that never shuts down. */
  get #last(): number {
    return this.processors.length - 1;
  }

  #at(number: number): number {
    const at = number % this.processors.length;
    return this.#closed.has(at) ? this.#last : at;
  }

  #give(partition: number, to: number): void {
    this.database.give(partition, this.storages[this.#at(to)] as SharedStorage);
  }

  #processor(at: number): OrderProcessor {
    const { capacity, concurrency, overflow, minBalance, onFailure } = this.#plan;
    const { hasSteps, compensates } = this.#plan;
    const step: Step = {
      name: 'work',
      run: (order, context) => this.#runs.work(order, at, context),
      ...(compensates && {
        compensate: (order, context) => this.#runs.compensate(order, at, context),
      }),
    };
    return (
      new OrderProcessor({
        ...{ capacity, concurrency, overflow, minBalance, onFailure, storage: this.storages[at] },
        steps: hasSteps ? [step] : [],
      })
        .on('stalled', () => {})
        // Compensations fail.
        .on('error', () => {})
        .on('started', (record) => this.#runs.started(record, at))
    );
  }

  async #do(command: Command): Promise<void> {
    switch (command.type) {
      case 'submit':
      case 'enqueue':
        this.calls.handIn(command);
        return;
      case 'submit again':
        this.calls.submitAgain(command.of, command.at);
        return;
      case 'cancel':
      case 'outcome':
      case 'retry':
      case 'compensate':
        this.calls.call(command.type, command.of, command.at);
        return;
      case 'hold':
        this.calls.hold(`u-${command.user}`, command.at);
        return;
      case 'release':
        this.calls.release(`u-${command.user}`, command.action, command.at);
        return;
      case 'hand over':
      case 'take':
        this.#move(command.type, command.partition % this.database.owners.length, command.to);
        return;
      case 'shutdown': {
        const at = command.at % this.processors.length;
        if (at === this.#last || this.#killed.has(at)) return;
        this.#closed.add(at);
        void this.processors[at]?.shutdown({ timeoutMs: command.timeoutMs });
        return;
      }
      case 'kill':
        this.#kill(command.at % this.processors.length);
        return;
      case 'wait':
        await this.#clock.advance(command.ms);
    }
  }

  #move(how: 'hand over' | 'take', partition: number, number: number): void {
    const to = this.storages[this.#at(number)] as SharedStorage;
    if (how === 'hand over') {
      this.database.release(partition, () => (to.isLeaving ? this.storages.at(-1) : to));
    } else {
      this.database.take(partition);
      this.#give(partition, to.isLeaving ? this.#last : number);
    }
  }

  /** A process dies: what it has sent arrives, and its partitions have a next owner when that is noticed. */
  #kill(at: number): void {
    if (at === this.#last || this.#killed.has(at)) return;
    this.#closed.add(at);
    this.#killed.add(at);
    this.#runs.died(at);
    this.calls.died(at);
    const storage = this.storages[at] as SharedStorage;
    this.database.members.delete(storage);
    void this.#clock.sleep(4).then(() => {
      for (const [partition, owner] of this.database.owners.entries()) {
        if (owner?.storage !== storage) continue;
        this.database.take(partition);
        this.#give(partition, this.#last);
      }
    });
  }

  /** Everything that is held goes on: failed orders are tried again at first. */
  async #releaseAll(): Promise<void> {
    for (let round = 0; round < 60; round += 1) {
      const holds = this.#holds();
      if (holds.length === 0) return;
      for (const { userId, orderId } of holds) {
        const action = round % 3 === 0 ? 'retry' : 'skip';
        this.calls.release(userId, orderId === undefined ? undefined : action, round);
      }
      await this.#clock.advance(60_000);
    }
    this.wrong.push(`invariant 4: ${JSON.stringify(this.#holds())} does not end`);
  }

  #holds(): readonly Hold[] {
    return this.database.disk.holds({ limit: Number.MAX_SAFE_INTEGER });
  }

  /** Every compensation that has failed is tried again until it succeeds. */
  async #compensateAll(): Promise<void> {
    for (let round = 0; round < 5; round += 1) {
      const left = this.calls.uncompensated;
      if (left.length === 0) return;
      for (const id of left) {
        this.calls.callFor('compensate', id, round);
        await this.#clock.advance(10_000);
      }
    }
    this.wrong.push('A compensation is not tried again');
  }
}
