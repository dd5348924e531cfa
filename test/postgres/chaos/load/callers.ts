import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../../kit/random.ts';
import type { Crew } from './crew.ts';
import type { Answer, ChaosOrder, NotifiedOutcome, Request } from './messages.ts';
import type { WorkerError } from './worker-process.ts';

/** An order, as its callers know it. Times are places in one log of what was called and answered. */
export interface Called {
  readonly order: ChaosOrder;
  readonly calledAt: number;
  /** When a caller was first notified that it is accepted. */
  ackedAt: number | undefined;
  /** What callers were notified of. */
  readonly notified: NotifiedOutcome[];
  isCanceled: boolean;
}

/** Credited by many orders. */
const fees = 'fees';

/** Each has a crowd of callers. */
const crowded = ['crowded-1', 'crowded-2'];

/** Whose orders are accepted, and whom they credit. */
export const users = [...Array.from({ length: 20 }, (_, at) => `u-${at}`), fees, ...crowded];

const payload = { isQuick: true };

/** How many callers a crowd has. */
const crowdSize = 12;

/** Answers that say nothing of the order: it is handed in again, at another worker. */
const passing: readonly string[] = ['gone', 'storage_failed', 'shut_down'];

/** Hand in orders at any worker, and hand them in again by their ids elsewhere until they are answered. */
export class Callers {
  readonly called = new Map<string, Called>();
  readonly #crew: Crew;
  readonly #seed: number;
  readonly #report: (problem: string) => void;
  #places = 0;
  #isOver = false;
  /** How many calls were answered. */
  answers = 0;

  constructor(crew: Crew, seed: number, report: (problem: string) => void) {
    this.#crew = crew;
    this.#seed = seed;
    this.#report = report;
  }

  /** Resolves after `stop`, when each has its last answer. */
  async run(count: number): Promise<void> {
    await Promise.all([
      ...crowded.flatMap((userId) =>
        Array.from({ length: crowdSize }, (_, at) => this.#crowd(userId, at)),
      ),
      ...Array.from({ length: count }, (_, at) => this.#call(at)),
    ]);
  }

  stop(): void {
    this.#isOver = true;
  }

  async #call(caller: number): Promise<void> {
    const random = randomFrom(this.#seed + 7_919 * caller);
    for (let at = 0; !this.#isOver; at += 1) {
      const id = `${caller}-${at}`;
      if (random() < 0.1) await this.#burst(id, random);
      else await this.#chain(id, random);
      await sleep(random() * 20);
    }
  }

  /**
   * A few orders, each when the one before it is acknowledged, and then the outcome of the last: so the user has always
   * about as many unsettled orders as a processor holds in memory, and the newest are read in pages at once.
   */
  async #crowd(userId: string, at: number): Promise<void> {
    const random = randomFrom(this.#seed + 104_729 * at + userId.length);
    for (let round = 0; !this.#isOver; round += 1) {
      let id = '';
      for (let left = upTo(4, random); left > 0; left -= 1) {
        id = `${userId}-${at}-${round}-${left}`;
        await this.#handIn('enqueue', { id, userId, amount: upTo(9, random), payload }, random);
      }
      await this.#follow(id, random);
    }
  }

  /** Orders of one user, each when the one before it is acknowledged. */
  async #chain(id: string, random: () => number): Promise<void> {
    const userId = aUser(random);
    const count = upTo(8, random);
    for (let at = 0; at < count && !this.#isOver; at += 1) {
      const order = anOrder(`${id}-${at}`, userId, random);
      if (random() < 0.3) await this.#handIn('submit', order, random);
      else await this.#enqueue(order, random);
    }
  }

  /** Many orders of one user at once, so that they wait for each other, and one after them. */
  async #burst(id: string, random: () => number): Promise<void> {
    const userId = aUser(random);
    const orders = Array.from({ length: 20 + Math.floor(random() * 40) }, (_, at) => ({
      ...{ id: `${id}-${at}`, userId, amount: Math.ceil(random() * 9), payload: {} },
    }));
    await Promise.all(orders.map((order) => this.#handIn('enqueue', order, random)));
    await this.#handIn('submit', { id: `${id}-last`, userId, amount: 1, payload: {} }, random);
  }

  async #enqueue(order: ChaosOrder, random: () => number): Promise<void> {
    await this.#handIn('enqueue', order, random);
    const then = random();
    if (then < 0.06) await this.#cancel(order.id, random);
    else if (then < 0.2) await this.#follow(order.id, random);
  }

  async #handIn(how: 'submit' | 'enqueue', order: ChaosOrder, random: () => number): Promise<void> {
    this.#places += 1;
    const called = { order, calledAt: this.#places, ackedAt: undefined, notified: [] };
    this.called.set(order.id, { ...called, isCanceled: false });
    while ((await this.#ask({ do: how, order }, order.id, random)) === undefined);
  }

  async #follow(id: string, random: () => number): Promise<void> {
    while ((await this.#ask({ do: 'outcome', id }, id, random)) === undefined);
  }

  async #cancel(id: string, random: () => number): Promise<void> {
    (this.called.get(id) as Called).isCanceled = true;
    await this.#ask({ do: 'cancel', id }, id, random);
  }

  /** Asks any worker, and waits for some time. An answer that comes later is noted all the same. */
  async #ask(request: Request, id: string, random: () => number): Promise<Answer | undefined> {
    const worker = this.#crew.any(random);
    if (worker === undefined) {
      await sleep(50);
      return undefined;
    }
    const asked = worker.ask(request).then(
      (answer) => {
        this.answers += 1;
        this.#note(this.called.get(id) as Called, answer);
        return answer;
      },
      (error: WorkerError) => this.#failed(this.called.get(id) as Called, error),
    );
    const patience = new AbortController();
    const { signal } = patience;
    const late = sleep(300 + random() * 3_000, undefined, { signal }).catch(() => undefined);
    const answer = await Promise.race([asked, late]);
    patience.abort();
    if (answer === undefined) await sleep(random() * 50);
    return answer;
  }

  #note(called: Called, answer: Answer): void {
    const { order, notified } = called;
    if (answer.status === 'unknown') {
      this.#report(`${order.id} was acknowledged and is unknown (invariant 9)`);
      return;
    }
    if (answer.status === 'canceling') {
      if (answer.isCanceled) notified.push({ status: 'canceled' });
      return;
    }
    if (called.ackedAt === undefined) {
      this.#places += 1;
      called.ackedAt = this.#places;
    }
    if (answer.status === 'completed' || answer.status === 'failed') notified.push(answer);
    else if (answer.status === 'canceled') notified.push(answer);
  }

  async #failed({ order, isCanceled }: Called, error: WorkerError): Promise<undefined> {
    const { code, message } = error;
    if (passing.includes(code) || (code === 'canceled' && isCanceled)) return;
    this.#report(`${order.id} was refused: ${code} ${message}`);
  }
}

function pick<T>(values: readonly T[], random: () => number): T {
  return values[Math.floor(random() * values.length)] as T;
}

function upTo(most: number, random: () => number): number {
  return 1 + Math.floor(random() * most);
}

/** Half of the orders are of a few users, so that they wait for each other. */
function aUser(random: () => number): string {
  return pick(random() < 0.5 ? users.slice(-4) : users, random);
}

/** Money from outside, money that leaves with or without a fee, or a transfer. */
function anOrder(id: string, userId: string, random: () => number): ChaosOrder {
  const kind = random();
  const fault = random();
  const fails = fault < 0.05 ? 'pay' : fault < 0.1 ? 'ship' : undefined;
  const percent = random() < 0.2 ? Math.floor(random() * 101) : undefined;
  if (kind < 0.4) return { id, userId, amount: upTo(100, random), payload: { fails, percent } };
  if (kind < 0.65) {
    const amount = -upTo(120, random);
    const hasFee = userId !== fees && random() < 0.4;
    if (!hasFee) return { id, userId, amount, payload: { fails, percent } };
    const postings = [{ userId: fees, amount: upTo(5, random) }];
    return { id, userId, amount, postings, payload: { fails } };
  }
  const payees = new Set([aUser(random), pick(users, random), fees]);
  payees.delete(userId);
  const postings = [...payees].map((payee) => ({ userId: payee, amount: upTo(30, random) }));
  const amount = -postings.reduce((sum, posting) => sum + posting.amount, 0);
  return { id, userId, amount, postings, payload: { fails, percent } };
}
