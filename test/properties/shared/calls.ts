import type { Hold, Order, OrderProcessor, StepResult } from 'order-processor';
import type { SharedDatabase } from '../../kit/shared-database.ts';
import type { HandHolds } from './hand-holds.ts';
import type { Command, Work } from './plan.ts';

/** A call that names an order or a user. */
type Named = 'outcome' | 'cancel' | 'retry' | 'compensate';

/** What a caller has been answered. */
export interface Answer {
  /** Of an order; of a user for `hold` and `release`. */
  readonly id: string;
  readonly type: 'submit' | 'enqueue' | 'hold' | 'release' | Named;
  /** The processor that was asked. */
  readonly at: number;
  /** Before it was answered nothing stands here. */
  value?: unknown;
  code?: string;
  /** The process died before it answered. */
  isVoid?: boolean;
}

export function isAnswered({ value, code }: Answer): boolean {
  return value !== undefined || code !== undefined;
}

/** What the calls need of the driver. */
interface Sources {
  readonly database: SharedDatabase;
  readonly holds: HandHolds;
  /** Which processor is asked. */
  at(number: number): number;
  processor(at: number): OrderProcessor;
}

/** The callers of all processors, and what they are answered. */
export class Calls {
  readonly answers: Answer[] = [];
  /** The acknowledged orders, and which had been acknowledged when each was submitted. */
  readonly before = new Map<string, ReadonlySet<string>>();
  readonly #sources: Sources;
  readonly #acknowledged = new Set<string>();
  readonly #orders: Order<Work>[] = [];
  /** The ids of all orders, those that came again included. */
  readonly #ids: string[] = [];

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** Orders of which a compensation has failed. */
  get uncompensated(): string[] {
    return this.#ids.filter((id) => this.#sources.database.find(id)?.steps.some(isUncompensated));
  }

  handIn({ type, user, amount, work, inMs, at }: Extract<Command, { work: Work }>): void {
    const id = `o-${this.#orders.length}`;
    const notBefore = inMs === undefined ? undefined : Date.now() + inMs;
    const order = { id, userId: `u-${user}`, amount, payload: work, notBefore };
    this.#orders.push(order);
    this.#ids.push(id);
    this.before.set(id, new Set(this.#acknowledged));
    this.#ask(type, id, at, (processor) => {
      // What is acknowledged is seen by those that come after it.
      if (type === 'submit') return processor.submit(order).finally(() => this.#acknowledge(id));
      return processor.enqueue(order).then((record) => {
        this.#acknowledge(id);
        return record;
      });
    });
  }

  submitAgain(of: number, at: number): void {
    const order = this.#orders[of % (this.#orders.length || 1)];
    if (order === undefined) return;
    this.#ask('submit', order.id as string, at, (processor) => processor.submit(order));
  }

  /** Makes a call for one of the orders that it is made for, if there are any. */
  call(type: Named, of: number, at: number): void {
    const meant = this.#ids.filter((id) => this.#isMeant(type, id));
    this.callFor(type, meant[of % (meant.length + 1)] ?? this.#ids[of] ?? `o-${of}`, at);
  }

  callFor(type: Named, id: string, at: number): void {
    this.#ask(type, id, at, (processor) => processor[type](id) as Promise<unknown>);
  }

  hold(userId: string, at: number): void {
    this.#ask('hold', userId, at, async (processor) => {
      const hold: Hold = await processor.hold(userId);
      this.#sources.holds.acknowledged(hold);
      return hold;
    });
  }

  release(userId: string, action: 'retry' | 'skip' | undefined, at: number): void {
    const ended = this.#sources.holds.releasing(userId);
    this.#ask('release', userId, at, (each) => each.release(userId, action).finally(ended));
  }

  /** A process dies: its callers are answered nothing any more. */
  died(at: number): void {
    for (const answer of this.answers) {
      if (answer.at === at && !isAnswered(answer)) answer.isVoid = true;
    }
  }

  #isMeant(type: Named, id: string): boolean {
    const { status, settledAt, steps = [] } = this.#sources.database.find(id) ?? {};
    if (type === 'cancel') return settledAt === undefined;
    if (type === 'retry') return settledAt !== undefined && status !== 'completed';
    return type === 'outcome' || steps.some(isUncompensated);
  }

  #acknowledge(id: string): void {
    if (this.#sources.database.find(id) !== undefined) this.#acknowledged.add(id);
  }

  #ask(
    type: Answer['type'],
    id: string,
    number: number,
    ask: (processor: OrderProcessor) => Promise<unknown>,
  ): void {
    const at = this.#sources.at(number);
    const answer: Answer = { id, type, at };
    this.answers.push(answer);
    ask(this.#sources.processor(at)).then(
      (value) => {
        answer.value = value ?? 'nothing';
        if (type === 'retry') this.#ids.push((value as { id: string }).id);
      },
      (error) => {
        answer.code = error.code ?? `${error}`;
      },
    );
  }
}

function isUncompensated({ compensation }: StepResult): boolean {
  return compensation?.status === 'error';
}
