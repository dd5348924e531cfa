/**
 * Callers that transfer credits between users. Each submits some orders to one of the processes. If that one ends, or
 * does not answer in time, the caller submits the same ids to another one, as the client of a service does.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, Transfer } from './messages.ts';
import type { StartedProcess } from './started-process.ts';

const callersAtOnce = 24;
const ordersAtOnce = 10;

/** How long a caller waits until it asks another process. */
const patienceMs = 1_000;

/** Anything else is a refusal, or an error of the storage: it says nothing of the order. */
const outcomes = ['completed', 'insufficient_funds'];

/** Some orders of one caller. */
interface Batch {
  open: number;
  readonly answered: PromiseWithResolvers<void>;
  /** Resolves when the process that was asked last has refused one of them. */
  refused: PromiseWithResolvers<void>;
}

/** An order, and what its caller knows of it. */
export interface Submitted {
  readonly order: Transfer;
  readonly batch: Batch;
  outcome?: string;
}

const pick = <T>(list: readonly T[]): T | undefined =>
  list[Math.floor(Math.random() * list.length)];

export class Callers {
  readonly users: readonly string[] = Array.from({ length: 300 }, (_, at) => `user-${at}`);
  /** In cents, for each user. */
  readonly opening = 10_000;
  /** By the ids. */
  readonly submitted = new Map<string, Submitted>();
  answered = 0;
  /** How many orders were submitted to another process as well. */
  sentAgain = 0;
  /** Orders that were answered twice, and not the same. */
  readonly contradicted: string[] = [];
  readonly #processes: readonly StartedProcess[];
  #isCalling = true;
  #slowestMs = 0;
  #calls: Promise<unknown> = Promise.resolve();

  constructor(processes: readonly StartedProcess[]) {
    this.#processes = processes;
  }

  /** Gives each user the opening balance. */
  async payIn(): Promise<void> {
    const amount = this.opening;
    await this.#submit(this.users.map((userId) => ({ id: `pay-in-${userId}`, userId, amount })));
  }

  start(): void {
    this.#calls = Promise.all(Array.from({ length: callersAtOnce }, () => this.#call()));
  }

  /** Resolves when each order that was submitted has an outcome. */
  async stop(): Promise<void> {
    this.#isCalling = false;
    await this.#calls;
  }

  /** A process has answered: the one that was asked last, or an earlier one. */
  take(answers: readonly Answer[]): void {
    for (const [id, code] of answers) {
      const known = this.submitted.get(id);
      if (known === undefined) continue;
      if (!outcomes.includes(code)) {
        known.batch.refused.resolve();
        continue;
      }
      if (known.outcome !== undefined) {
        if (known.outcome !== code) this.contradicted.push(id);
        continue;
      }
      known.outcome = code;
      this.answered += 1;
      known.batch.open -= 1;
      if (known.batch.open === 0) known.batch.answered.resolve();
    }
  }

  /** How long the slowest answer took since this was asked before, in milliseconds. */
  takeSlowestMs(): number {
    const slowest = this.#slowestMs;
    this.#slowestMs = 0;
    return slowest;
  }

  async #call(): Promise<void> {
    while (this.#isCalling) {
      await this.#submit(Array.from({ length: ordersAtOnce }, () => this.#transfer()));
    }
  }

  #transfer(): Transfer {
    const [from = '', to = ''] = [pick(this.users), pick(this.users)];
    if (from === to) return this.#transfer();
    const amount = 1 + Math.floor(Math.random() * 2_000);
    const postings = [{ userId: to, amount }];
    return { id: crypto.randomUUID(), userId: from, amount: -amount, postings };
  }

  async #submit(orders: readonly Transfer[]): Promise<void> {
    const startedAt = performance.now();
    const batch: Batch = {
      open: orders.length,
      answered: Promise.withResolvers(),
      refused: Promise.withResolvers(),
    };
    for (const order of orders) this.submitted.set(order.id, { order, batch });
    let asked: StartedProcess | undefined;
    while (batch.open > 0) {
      const left = orders.filter(({ id }) => this.submitted.get(id)?.outcome === undefined);
      if (asked !== undefined) this.sentAgain += left.length;
      const used = this.#processes.filter((each) => each.isUsed);
      asked = pick(used.filter((each) => each !== asked)) ?? used[0];
      batch.refused = Promise.withResolvers();
      asked?.submit(left);
      const { answered, refused } = batch;
      const isLate = sleep(patienceMs, undefined, { ref: false });
      await Promise.race([answered.promise, refused.promise, isLate, asked?.exited ?? isLate]);
    }
    this.#slowestMs = Math.max(this.#slowestMs, performance.now() - startedAt);
  }
}
