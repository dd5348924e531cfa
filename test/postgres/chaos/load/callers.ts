import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../../../kit/random.ts';
import type { Crew } from '../crew.ts';
import type { Answer, ChaosOrder, NotifiedOutcome, Request } from '../messages.ts';
import type { WorkerError } from '../worker-process.ts';
import { anOrder, aUser, type Called, crowded, lonely, upTo } from './orders.ts';

const payload = { isQuick: true };

/** How many callers a crowd has. */
const crowdSize = 12;

/** Answers that say nothing of the order: it is handed in again, at another worker. */
export const passing: readonly string[] = ['gone', 'storage_failed', 'shut_down'];

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

  /** Where the log of calls is now. */
  get place(): number {
    return this.#places;
  }

  /** Resolves after `stop`, when each has its last answer. */
  async run(count: number): Promise<void> {
    await Promise.all([
      ...crowded.flatMap((userId) =>
        Array.from({ length: crowdSize }, (_, at) => this.#crowd(userId, at)),
      ),
      ...lonely.map((userId, at) => this.#few(userId, at)),
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
        await this.handIn('enqueue', { id, userId, amount: upTo(9, random), payload }, random);
      }
      await this.#follow(id, random);
    }
  }

  /** A few orders, each when the one before it is acknowledged, and no others of the user beside them. */
  async #few(userId: string, at: number): Promise<void> {
    const random = randomFrom(this.#seed + 32_452_843 * at);
    for (let round = 0; !this.#isOver; round += 1) {
      const ids = [1, 2, 3, 4, 5].map((each) => `${userId}-${round}-${each}`);
      for (const id of ids) {
        await this.handIn('enqueue', { id, userId, amount: upTo(9, random), payload }, random);
      }
      await this.#follow(ids.at(-1) as string, random);
    }
  }

  /** Orders of one user, each when the one before it is acknowledged. */
  async #chain(id: string, random: () => number): Promise<void> {
    const userId = aUser(random);
    const count = upTo(8, random);
    for (let at = 0; at < count && !this.#isOver; at += 1) {
      const order = anOrder(`${id}-${at}`, userId, random);
      if (random() < 0.3) await this.handIn('submit', order, random);
      else await this.#enqueue(order, random);
    }
  }

  /** Many orders of one user at once, so that they wait for each other, and one after them. */
  async #burst(id: string, random: () => number): Promise<void> {
    const userId = aUser(random);
    const orders = Array.from({ length: 20 + Math.floor(random() * 40) }, (_, at) => ({
      ...{ id: `${id}-${at}`, userId, amount: Math.ceil(random() * 9), payload: {} },
    }));
    await Promise.all(orders.map((order) => this.handIn('enqueue', order, random)));
    await this.handIn('submit', { id: `${id}-last`, userId, amount: 1, payload: {} }, random);
  }

  async #enqueue(order: ChaosOrder, random: () => number): Promise<void> {
    await this.handIn('enqueue', order, random);
    const then = random();
    if (then < 0.06) await this.cancel(order.id, random);
    else if (then < 0.2) {
      const { status } = await this.#follow(order.id, random);
      if (status === 'failed' || status === 'canceled') await this.#retry(order, random);
    }
  }

  async handIn(
    how: 'submit' | 'enqueue',
    order: ChaosOrder,
    random: () => number,
  ): Promise<Answer> {
    this.#calls(order);
    return this.#untilAnswered({ do: how, order }, order.id, random);
  }

  #follow(id: string, random: () => number): Promise<Answer> {
    return this.#untilAnswered({ do: 'outcome', id }, id, random);
  }

  async cancel(id: string, random: () => number): Promise<void> {
    (this.called.get(id) as Called).isCanceled = true;
    await this.#ask({ do: 'cancel', id }, id, random);
  }

  /** The order comes again, once: two callers want that, and none of them asks a second time for another order. */
  async #retry(order: ChaosOrder, random: () => number): Promise<void> {
    const id = `${order.id}~2`;
    const { notBefore: _past, ...again } = order;
    this.#calls({ ...again, id }, order.id);
    const request = { do: 'retry', id: order.id } as const;
    await Promise.all([1, 2].map(() => this.#untilAnswered(request, id, random)));
  }

  #calls(order: ChaosOrder, retryOf?: string): void {
    this.#places += 1;
    const called = { order, retryOf, calledAt: this.#places, ackedAt: undefined, notified: [] };
    this.called.set(order.id, { ...called, isCanceled: false });
  }

  async #untilAnswered(request: Request, id: string, random: () => number): Promise<Answer> {
    for (;;) {
      const answer = await this.#ask(request, id, random);
      if (answer !== undefined) return answer;
    }
  }

  /** Asks any worker, and waits for some time. An answer that comes later is noted all the same. */
  async #ask(request: Request, id: string, random: () => number): Promise<Answer | undefined> {
    const called = this.called.get(id) as Called;
    const answer = await this.#crew.ask(request, random, {
      answered: (answer) => {
        this.answers += 1;
        this.#note(called, answer);
      },
      failed: (error) => this.#failed(called, error),
    });
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
    if (answer.status === 'retried' && answer.id !== order.id) {
      this.#report(`${called.retryOf} came again as ${answer.id} (invariant 5)`);
    }
    if (called.ackedAt === undefined) {
      this.#places += 1;
      called.ackedAt = this.#places;
    }
    if (isOutcome(answer)) notified.push(answer);
  }

  #failed({ order, isCanceled, retryOf }: Called, { code, message }: WorkerError): void {
    // An outcome that is certain may come before the order is settled.
    if (retryOf !== undefined && code === 'not_failed') return;
    if (passing.includes(code) || (code === 'canceled' && isCanceled)) return;
    this.#report(`${order.id} was refused: ${code} ${message}`);
  }
}

function isOutcome(answer: Answer): answer is NotifiedOutcome {
  return ['completed', 'failed', 'canceled'].includes(answer.status);
}
