import { type AcceptedOrder, type Order, OrderProcessor, type Step } from 'order-processor';
import { AskedStorage } from '../../kit/asked-storage.ts';
import { randomFrom } from '../../kit/random.ts';
import { type Faults, SharedDatabase, type Tenure } from '../../kit/shared-database.ts';
import { SharedStorage } from '../../kit/shared-storage.ts';
import type { VirtualClock } from '../../kit/virtual-clock.ts';
import type { Command, Plan, Work } from './plan.ts';

/** What a caller has been answered. */
export interface Answer {
  readonly id: string;
  readonly type: 'submit' | 'enqueue' | 'outcome' | 'cancel';
  /** Before it was answered nothing stands here. */
  value?: unknown;
  code?: string;
}

interface Running {
  readonly id: string;
  readonly userId: string;
  readonly tenure: Tenure | undefined;
}

/** Plays a plan: several processors on one database, and partitions that move. */
export class Driver {
  readonly database: SharedDatabase;
  readonly processors: OrderProcessor[];
  readonly storages: SharedStorage[];
  readonly answers: Answer[] = [];
  /** Invariants that were seen broken while it ran. */
  readonly wrong: string[] = [];
  /** The acknowledged orders, and which had been acknowledged when each was submitted. */
  readonly before = new Map<string, ReadonlySet<string>>();
  readonly acknowledged = new Set<string>();
  readonly #plan: Plan;
  readonly #clock: VirtualClock;
  readonly #orders: Order<Work>[] = [];
  readonly #running = new Set<Running>();
  readonly #thrown = new Set<string>();
  readonly #closed = new Set<number>();
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
    for (const storage of this.storages) {
      storage.fate = () => {
        if (this.#isCalm || random() >= plan.failures) return 'works';
        return random() < 0.5 ? 'fails' : 'fails late';
      };
    }
    this.processors = at.map((each) => this.#processor(each));
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
    for (const [at, processor] of this.processors.entries()) {
      if (this.#closed.has(at)) continue;
      const { unsettled, queueLength, activeWorkers } = processor.stats();
      if (unsettled + queueLength + activeWorkers > 0) {
        this.wrong.push(`invariant 4: ${unsettled} orders are left at ${at}`);
      }
    }
    const over = Promise.all(this.processors.map((each) => each.shutdown()));
    await this.#clock.runAll();
    await over;
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
    const { capacity, concurrency, overflow, minBalance, hasSteps, compensates } = this.#plan;
    const step: Step = {
      name: 'work',
      run: (order, { signal }) => this.#work(order, at, signal),
      ...(compensates && { compensate: () => this.#clock.sleep(2) }),
    };
    return new OrderProcessor({
      ...{ capacity, concurrency, overflow, minBalance, storage: this.storages[at] },
      steps: hasSteps ? [step] : [],
    }).on('stalled', () => {});
  }

  async #work(order: AcceptedOrder, at: number, signal: AbortSignal): Promise<void> {
    const { id, userId, notBefore = 0 } = order;
    if (Date.now() < notBefore) this.wrong.push(`shared rule 14: ${id} begins before its time`);
    const { ms, end, isDeaf } = order.payload as Work;
    const tenure = this.storages[at]?.tenureOf(userId);
    if (tenure === undefined) {
      this.wrong.push(`invariant 12: ${id} begins at ${at}, which knows that it does not own it`);
    }
    if (this.#plan.isAsked && tenure?.isLost) {
      this.wrong.push(`shared rule 16: ${id} begins at ${at}, which has lost it`);
    }
    for (const other of this.#running) {
      // One that has lost its partition, and has not heard of it, can neither be held back nor made to end.
      if (other.userId !== userId || other.tenure?.isLost || tenure?.isLost) continue;
      this.wrong.push(`invariant 1: ${id} begins while ${other.id} runs`);
    }
    const running = { id, userId, tenure };
    this.#running.add(running);
    try {
      await this.#clock.sleep(ms, isDeaf ? undefined : signal);
    } finally {
      this.#running.delete(running);
    }
    const isFirst = !this.#thrown.has(id);
    this.#thrown.add(id);
    if (end === 'fails') throw Object.assign(new Error('No'), { code: 'declined' });
    if (end === 'throws once' && isFirst) throw new Error('A bug');
  }

  async #do(command: Command): Promise<void> {
    switch (command.type) {
      case 'submit':
      case 'enqueue': {
        const { user, amount, work, inMs } = command;
        const id = `o-${this.#orders.length}`;
        const notBefore = inMs === undefined ? undefined : Date.now() + inMs;
        const order = { id, userId: `u-${user}`, amount, payload: work, notBefore };
        this.#orders.push(order);
        this.before.set(id, new Set(this.acknowledged));
        this.#ask(command.type, id, this.#handIn(command, order));
        return;
      }
      case 'retry': {
        const order = this.#orders[command.of % (this.#orders.length || 1)];
        if (order === undefined) return;
        const submitted = this.processors[this.#at(command.at)]?.submit(order);
        this.#ask('submit', order.id as string, submitted);
        return;
      }
      case 'cancel':
      case 'outcome': {
        const id = `o-${command.of}`;
        const answer = this.processors[this.#at(command.at)]?.[command.type](id);
        this.#ask(command.type, id, answer as Promise<unknown>);
        return;
      }
      case 'release':
      case 'take': {
        const partition = command.partition % this.database.owners.length;
        const to = this.storages[this.#at(command.to)] as SharedStorage;
        if (command.type === 'release') {
          this.database.release(partition, () => (to.isLeaving ? this.storages.at(-1) : to));
        } else {
          this.database.take(partition);
          this.#give(partition, to.isLeaving ? this.#last : command.to);
        }
        return;
      }
      case 'shutdown': {
        const at = command.at % this.processors.length;
        if (at === this.#last) return;
        this.#closed.add(at);
        void this.processors[at]?.shutdown({ timeoutMs: command.timeoutMs });
        return;
      }
      case 'wait':
        await this.#clock.advance(command.ms);
    }
  }

  #handIn({ type, at }: Command & { at: number }, order: Order<Work>): Promise<unknown> {
    const processor = this.processors[this.#at(at)] as OrderProcessor;
    if (type === 'submit') {
      // What is acknowledged is seen by those that come after it.
      return processor.submit(order).finally(() => this.#acknowledge(order.id as string));
    }
    return processor.enqueue(order).then((record) => {
      this.#acknowledge(order.id as string);
      return record;
    });
  }

  #acknowledge(id: string): void {
    if (this.database.find(id) !== undefined) this.acknowledged.add(id);
  }

  #ask(type: Answer['type'], id: string, asked: Promise<unknown> | undefined): void {
    const answer: Answer = { id, type };
    this.answers.push(answer);
    asked?.then(
      (value) => {
        answer.value = value ?? 'nothing';
      },
      (error) => {
        answer.code = error.code ?? `${error}`;
      },
    );
  }
}
