import type { Job } from '../lifecycle/job.ts';
import type { OrderOutcome } from '../order/outcome.ts';
import type { UntilClosed } from '../runtime/until-closed.ts';
import type { Admission } from './admission.ts';
import type { Entry } from './callers.ts';
import { checkedResult } from './submit-many.ts';
import { handIn, refusalOf } from './tracing/hand-in.ts';

type Source = AsyncIterable<unknown> | Iterable<unknown>;

const entry: Entry = { method: 'submitStream', overflow: 'wait', isListed: true };

const end: IteratorReturnResult<undefined> = { done: true, value: undefined };

/**
 * Outcomes of a source's orders, in the source's order. The source is asked for its next order only
 * when the one before was accepted and fewer than `window` outcomes wait for the reader, so neither a fast source nor a
 * slow reader fills the memory. It is not asked after the processor has begun to shut down.
 *
 * Not an async generator, which would keep a reader that leaves waiting for a source that gives nothing.
 */
export class OutcomeStream implements AsyncIterableIterator<OrderOutcome, undefined> {
  readonly #begin: () => Pump;
  #pump: Pump | undefined;
  #isOver = false;
  /** Readings are answered one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  /**
   * @param window - how many outcomes may wait for the reader
   * @param closing - ends the outcomes when the processor has closed
   */
  constructor(admission: Admission, source: Source, window: number, closing: UntilClosed) {
    this.#begin = () => new Pump(admission, source, window, closing);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<OrderOutcome, undefined>> {
    const result = this.#last.then(() => this.#read());
    this.#last = result.catch(() => {});
    return result;
  }

  /** The reader leaves; a reading under way ends, unless an outcome is on its way to it. */
  return(): Promise<IteratorReturnResult<undefined>> {
    this.#isOver = true;
    this.#pump?.stop();
    return Promise.resolve(end);
  }

  async #read(): Promise<IteratorResult<OrderOutcome, undefined>> {
    if (this.#isOver) return end;
    try {
      this.#pump ??= this.#begin();
      const outcome = await this.#pump.shift();
      if (outcome !== undefined) return { done: false, value: outcome };
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
    this.#isOver = true;
    return end;
  }
}

/** Pulls orders from a source for a reader. */
class Pump {
  /** The outcomes that the reader has not read, in order. */
  readonly #owed: Promise<OrderOutcome>[] = [];
  readonly #admission: Admission;
  readonly #iterator: AsyncIterator<unknown> | Iterator<unknown>;
  readonly #window: number;
  readonly #pulling: Promise<void>;
  readonly #stopListening: () => void;
  #isDone = false;
  #isStopped = false;
  #wakeReader = (): void => {};
  #wakePump = (): void => {};

  constructor(admission: Admission, source: Source, window: number, closing: UntilClosed) {
    this.#admission = admission;
    this.#window = window;
    const { [Symbol.asyncIterator]: async } = source as Partial<AsyncIterable<unknown>>;
    this.#iterator = async?.call(source) ?? (source as Iterable<unknown>)[Symbol.iterator]();
    // Otherwise a source that gives nothing would keep its reader waiting for ever.
    this.#stopListening = closing.whenClosed(() => this.stop());
    this.#pulling = this.#pull().finally(() => this.#end());
    // The reader gets the error after all outcomes before it.
    this.#pulling.catch(() => {});
  }

  /** The next outcome; undefined if there are no more. Throws what the source threw. */
  async shift(): Promise<OrderOutcome | undefined> {
    for (;;) {
      const next = this.#owed.shift();
      if (next !== undefined) {
        const outcome = await next;
        this.#wakePump();
        return outcome;
      }
      if (this.#isStopped) return undefined;
      if (this.#isDone) {
        await this.#pulling;
        return undefined;
      }
      await new Promise<void>((resolve) => {
        this.#wakeReader = resolve;
      });
    }
  }

  /** Pulls no more. */
  stop(): void {
    if (this.#isStopped) return;
    this.#isStopped = true;
    this.#wakePump();
    this.#wakeReader();
    // Not awaited: a source that is waiting may never answer.
    if (!this.#isDone) this.#return().catch(() => {});
  }

  async #return(): Promise<void> {
    await this.#iterator.return?.();
  }

  #end(): void {
    this.#isDone = true;
    this.#stopListening();
    this.#wakeReader();
  }

  async #pull(): Promise<void> {
    const { clock } = this.#admission;
    while (!this.#isStopped) {
      if (!clock.hasTime()) await clock.nextSlice();
      const { done, value } = checkedResult(await this.#iterator.next());
      if (done === true || this.#isStopped) return;
      await this.#start(value);
      while (this.#owed.length >= this.#window && !this.#isStopped) {
        await new Promise<void>((resolve) => {
          this.#wakePump = resolve;
        });
      }
    }
  }

  /** Resolves when the order is accepted, or refused. */
  #start(order: unknown): Promise<void> | undefined {
    let job: Job;
    try {
      job = this.#admission.parse(order);
    } catch (error) {
      const refused = refusalOf(this.#admission, error, 'submitStream');
      this.#owed.push(Promise.resolve(this.#heard(refused)));
      this.#wakeReader();
      return undefined;
    }
    this.#owed.push(job.outcome().then((outcome) => this.#heard(outcome)));
    const admitted = handIn(this.#admission, job, entry);
    this.#wakeReader();
    return admitted;
  }

  /** An order that is refused because the processor shuts down is the last of its source. */
  #heard(outcome: OrderOutcome): OrderOutcome {
    if (outcome.status === 'refused' && outcome.error.code === 'shut_down') this.stop();
    return outcome;
  }
}
