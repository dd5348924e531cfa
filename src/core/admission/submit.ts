import type { Engine } from '../engine.ts';
import type { InFlightOrders } from '../lifecycle/in-flight-orders.ts';
import { type Follower, Job, toldOf, toResult } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { isOrderError, type OrderError } from '../order/order-error.ts';
import type { OrderOutcome, OrderRecord, Receipt } from '../order/outcome.ts';
import { ParsedOrder, parseOrder } from '../order/parse-order.ts';
import { bySignal, canceled } from '../order/processor-errors.ts';
import { outcomeOfRecord } from '../order/record.ts';
import type { AwaitedUsers } from '../queries/awaited-users.ts';
import type { KnownOrders } from '../queries/known-orders.ts';
import type { RefusalLookups } from '../queries/refusal-lookups.ts';
import { onAbort, untilAbort } from '../runtime/abort.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { Clock } from '../runtime/clock.ts';
import type { Admission } from './admission.ts';
import type { Capacity } from './capacity.ts';
import type { Entered, HandedIn } from './enqueued.ts';
import { asJson } from './json-payload.ts';

/** How far an order has come at once: its outcome, or the job to enter. */
export type Begun = OrderOutcome | Job;

/** The same, or a promise of a function that gives it, to be called at once. */
export type Beginning = Begun | Promise<() => Beginning>;

/** What most orders of a list are; a look at one property, since there may be a million of them. */
export function isOutcome(begun: Beginning): begun is OrderOutcome {
  return (begun as Partial<OrderOutcome>).status !== undefined;
}

/** Whether an order that is refused so may come again as it is. */
function isForTheMoment(refusal: unknown): boolean {
  return isOrderError(refusal) && (refusal.code === 'queue_full' || refusal.code === 'shut_down');
}

/** How long an order waits for room before the storage is asked for its id, in milliseconds. */
const askAfterMs = 10;

/** What only those need to know who enter an order in a way of their own. */
interface Entry {
  readonly overflow: 'reject' | 'wait';
  readonly signal?: AbortSignal | undefined;
  /** Whether it is one of a list, which waits for the promise that `enter` gives. */
  readonly isList?: boolean | undefined;
  /** Of an order that is enqueued: hears what it comes to. */
  readonly tell?: ((outcome: OrderOutcome) => void) | undefined;
}

/**
 * Every way of handing an order in, from parsing to its acceptance. An order is refused, found known,
 * settled at once, or becomes a pending `Job` that is then entered: accepted, or made to wait for room.
 */
export class Entrance {
  readonly clock: Clock;
  readonly awaited: AwaitedUsers;
  readonly #engine: Engine;
  readonly #lifecycle: Lifecycle;
  readonly #inFlight: InFlightOrders;
  readonly #known: KnownOrders;
  readonly #refusals: RefusalLookups | undefined;
  readonly #capacity: Capacity;
  readonly #admission: Admission;
  readonly #copy: typeof ParsedOrder;
  /** Whether payloads must be JSON. */
  readonly #isJson: boolean;

  constructor(engine: Engine, isJson: boolean) {
    const { clock, lifecycle, inFlight, known, refusals, capacity, admission, dispatcher } = engine;
    this.clock = clock;
    this.awaited = dispatcher.runner.awaited;
    this.#engine = engine;
    this.#lifecycle = lifecycle;
    this.#inFlight = inFlight;
    this.#known = known;
    this.#refusals = refusals;
    this.#capacity = capacity;
    this.#admission = admission;
    this.#isJson = isJson;
    // What has steps becomes a job in any case, but where schema and rules may make another of it.
    this.#copy = dispatcher.hasSteps && !admission.hasHostCode ? Job : ParsedOrder;
  }

  /**
   * Takes an order as far as it goes without waiting: its outcome if it is refused, was settled
   * before, or could be settled at once; else the job to `enter`, which may be an earlier caller's. If
   * the schema takes its time, a promise of a function that does so, to be called at once.
   *
   * @param signal - its caller's
   */
  begin(order: unknown, signal?: AbortSignal): Beginning {
    let parsed: ParsedOrder | undefined;
    try {
      parsed = parseOrder(order, this.#copy);
      if (signal?.aborted) throw canceled(parsed, signal);
      const known = this.#admission.known(parsed);
      // What was accepted once is not refused when it comes again.
      return known === undefined && this.#admission.hasHostCode
        ? this.#beginWithCare(parsed, signal)
        : this.#admit(known, parsed, signal);
    } catch (error) {
      this.clock.now();
      return this.#refuse(error, parsed, signal);
    }
  }

  /** What was accepted once is not refused when it comes again, which only the storage may know. */
  #refuse(
    error: unknown,
    order: ParsedOrder | undefined,
    signal: AbortSignal | undefined,
  ): Beginning {
    if (!this.#mayBeKept(error, order)) return this.#lifecycle.refused(error);
    return this.#knownInstead(error, order as ParsedOrder, signal).then(
      (known) => () => {
        // Settled since it was found.
        if (known instanceof Job && this.#inFlight.find(known) !== known) {
          return this.#refuse(error, order, signal);
        }
        return this.#standIn(known) ?? this.#lifecycle.refused(error);
      },
      (conflict) => () => this.#lifecycle.refused(conflict),
    );
  }

  #mayBeKept(error: unknown, order: ParsedOrder | undefined): boolean {
    if (this.#refusals === undefined || order === undefined) return false;
    if (!isOrderError(error)) return true;
    if (isForTheMoment(error)) return this.#refusals.mayAsk(order);
    if (error.code !== 'order_conflict') return !error.retryable;
    // With one that may itself have taken another's id.
    const job = this.#inFlight.find(order);
    return job !== undefined && !this.#known.ownsId(job);
  }

  async #knownInstead(
    error: unknown,
    order: ParsedOrder,
    signal: AbortSignal | undefined,
  ): Promise<Job | OrderRecord | undefined> {
    // One that is refused for the moment still is if the storage cannot say more.
    const stored = await (isForTheMoment(error)
      ? (this.#refusals as RefusalLookups).ask(order, signal)
      : this.#known.ask(order.id, signal, order));
    return this.#admission.known(order, stored);
  }

  #standIn(known: Job | OrderRecord | undefined): Begun | undefined {
    return known === undefined || known instanceof Job ? known : outcomeOfRecord(known);
  }

  /** The same where the host's schema or rules have a say. */
  #beginWithCare(order: ParsedOrder, signal: AbortSignal | undefined): Beginning {
    const checked = this.#admission.check(order, signal);
    if (!(checked instanceof Promise)) return this.#judge(checked, signal);
    return checked.then(
      (late) => () => this.#judgeLate(late, signal),
      (error) => () => this.#refuse(error, order, signal),
    );
  }

  #judge(order: ParsedOrder, signal: AbortSignal | undefined): Begun {
    const judged = this.#admission.judge(order, signal);
    return judged instanceof ParsedOrder && !(judged instanceof Job)
      ? this.#admit(undefined, judged, signal)
      : this.#admit(judged, order, signal);
  }

  #admit(
    known: Job | OrderRecord | undefined,
    order: ParsedOrder,
    signal: AbortSignal | undefined,
  ): Begun {
    if (known !== undefined) {
      // For `deliver`, which asks whether the turn is spent as of the last reading; as in `begin`.
      this.clock.now();
      return this.#standIn(known) as Begun;
    }
    this.#admission.checkOpen(order);
    if (!this.#engine.mayGoAtOnce) {
      return this.#isJson ? (this.#standIn(this.#copyAsJson(order)) as Begun) : Job.of(order);
    }
    if (!this.#engine.dispatcher.hasSteps) return this.#engine.goAtOnce(order);
    // Whoever may cancel it must be heard from the beginning.
    return signal === undefined ? this.#engine.startAtOnce(order) : Job.of(order);
  }

  /**
   * The job of an order whose payload is copied, which may run the host's code: that may shut the processor down,
   * or hand in another order with this id, which has it then.
   */
  #copyAsJson(order: ParsedOrder): Job | OrderRecord {
    const copy = asJson(order);
    return (copy === order ? undefined : this.#knownAtLast(copy)) ?? Job.of(copy);
  }

  #judgeLate(order: ParsedOrder, signal: AbortSignal | undefined): Beginning {
    try {
      return this.#judge(order, signal);
    } catch (error) {
      return this.#refuse(error, order, signal);
    }
  }

  /**
   * What `begin` came to, as a promise. Callers that await one order after the other go on in promise
   * callbacks, which all run before the event loop turns: now and then they are made to wait for it.
   */
  deliver(outcome: OrderOutcome): Promise<Receipt> {
    return this.clock.isTurnSpent
      ? this.clock.nextTurn().then(() => toResult(outcome))
      : Promise.resolve(toResult(outcome));
  }

  /** Enters `begin`'s job if that needs no waiting, which makes a promise of its receipt. */
  promiseOf(job: Job): Promise<Receipt> | undefined {
    const told = toldOf(job);
    if (told !== undefined) return this.deliver(told);
    const isKnown = this.#inFlight.find(job) === job;
    if (!isKnown && !this.#capacity.hasRoomFor(job)) return undefined;
    // Before it is accepted: a listener of `accepted` may cancel it.
    const promise = job.promise();
    if (!isKnown) this.#engine.accept(job);
    return promise;
  }

  /**
   * Enters `begin`'s job; `tell` hears its outcome, be it that it is refused. The promise is there
   * while the order waits for room.
   */
  enter(job: Job, entry: Entry, tell: Follower): Promise<void> | undefined {
    const { overflow, signal } = entry;
    if (signal?.aborted) {
      // Since it was begun: the payload's own code may have done so while it was copied.
      tell(this.#lifecycle.refused(canceled(job, signal)), true);
    } else if (this.#inFlight.find(job) === job) {
      this.#follow(job, false, signal, tell);
    } else if (this.#capacity.hasRoomFor(job)) {
      this.#follow(job, true, signal, tell);
      this.#engine.accept(job);
    } else if (overflow === 'reject' && !this.#capacity.mayWait) {
      return this.#refuseFull(job, entry, tell);
    } else {
      return this.#wait(job, entry, tell);
    }
    return undefined;
  }

  #refuseFull(job: Job, { signal, isList }: Entry, tell: Follower): Promise<void> | undefined {
    const error = this.#capacity.queueFull(job);
    const stand = (): void => this.#stand(this.#refuse(error, job, signal), signal, tell);
    const refusals = this.#refusals;
    if (refusals?.mayAsk(job)) return void stand();
    if (isList && refusals !== undefined) return refusals.whenRoom().then(stand);
    if (!this.clock.hasTime()) return this.clock.nextTurn().then(stand);
    return void stand();
  }

  /** Something else stands for an order than its own job. */
  #stand(begun: Beginning, signal: AbortSignal | undefined, tell: Follower): void {
    if (begun instanceof Promise) {
      begun.then((late) => this.#stand(late(), signal, tell));
    } else if (begun instanceof Job) this.#follow(begun, false, signal, tell);
    else tell(begun, true);
  }

  /** The same for a list or stream, whose caller awaits its orders, maybe in a step that they wait for. */
  enterAwaited(job: Job, entry: Entry, tell: Follower): Promise<void> | undefined {
    let follower: Follower;
    try {
      follower = this.awaited.follow(job, tell);
    } catch (error) {
      // One that is known goes on; it is not what is refused.
      const isKnown = this.#inFlight.find(job) === job;
      const refused = { status: 'refused', error: error as OrderError } as const;
      tell(isKnown ? refused : this.#lifecycle.refused(error), true);
      return undefined;
    }
    return this.enter(job, entry, follower);
  }

  /** Accepts an order without anybody following it; rejects if it is refused. */
  async enqueue(order: unknown, entry: Entry): Promise<HandedIn> {
    let parsed: ParsedOrder | undefined;
    let entered: Entered;
    try {
      parsed = parseOrder(order);
      if (entry.signal?.aborted) throw canceled(parsed, entry.signal);
      const known = this.#admission.known(parsed);
      entered =
        known === undefined
          ? await this.#enterToQueue(parsed, entry)
          : this.#standing(known, entry);
    } catch (thrown) {
      const known = await this.#refusalOrKnown(thrown, parsed, entry.signal);
      if (isOrderError(known)) throw await this.paced(known);
      entered = this.#standing(known, entry);
    }
    const { keeper } = this.#engine;
    const { job, record } = entered;
    const result = await this.paced(record ?? keeper?.whenKept(job as Job));
    return this.#handedIn(entered, result as OrderRecord, entry);
  }

  #recordOf(known: Job | OrderRecord): OrderRecord {
    return known instanceof Job ? this.#known.recordOf(known) : known;
  }

  #handedIn({ job }: Entered, record: OrderRecord, { tell }: Entry): HandedIn {
    // Settled before it could be followed; who has heard already hears the same.
    if (record.settledAt !== undefined) tell?.(outcomeOfRecord(record));
    return {
      record,
      now: () => (job === undefined ? record : this.#recordOf(job)),
      leave: () => {
        if (tell !== undefined) job?.unfollow(tell);
      },
    };
  }

  /** What stands for an order that need not be entered. */
  #standing(known: Job | OrderRecord, { tell }: Entry): Entered {
    if (!(known instanceof Job)) return { job: undefined, record: known };
    const isUnsettled = this.#inFlight.find(known) === known;
    if (tell !== undefined && isUnsettled) this.#follow(known, false, undefined, tell);
    const { keeper } = this.#engine;
    return { job: known, record: keeper === undefined ? this.#recordOf(known) : undefined };
  }

  /** Gives its record as it is then: it may be settled, and not be remembered, a moment later. */
  #acceptEnqueued(job: Job, { tell }: Entry): Entered {
    if (tell !== undefined) job.follow(tell);
    this.#engine.accept(job, true);
    const isKept = this.#engine.keeper !== undefined;
    return { job, record: isKept ? undefined : this.#recordOf(job) };
  }

  async #enterToQueue(order: ParsedOrder, entry: Entry): Promise<Entered> {
    const { overflow, signal } = entry;
    let checked = this.#admission.check(order, signal);
    if (checked instanceof Promise) checked = await checked;
    const admitted = this.#admission.hasHostCode ? this.#admission.judge(checked, signal) : checked;
    if (!(admitted instanceof ParsedOrder) || admitted instanceof Job) {
      return this.#standing(admitted, entry);
    }
    const { dispatcher, mayGoAtOnce } = this.#engine;
    if (mayGoAtOnce && !dispatcher.hasSteps) {
      return { job: undefined, record: this.#engine.enqueueAtOnce(admitted) };
    }
    const copied = this.#isJson ? this.#copyAsJson(admitted) : Job.of(admitted);
    if (!(copied instanceof Job) || (this.#isJson && this.#inFlight.find(copied) === copied)) {
      return this.#standing(copied, entry);
    }
    const job = copied;
    // Reading the payload may have run the host's code, too.
    if (signal?.aborted) throw canceled(job, signal);
    if (this.#capacity.hasRoomFor(job)) {
      return this.#acceptEnqueued(job, entry);
    }
    if (overflow === 'wait' || this.#capacity.mayWait) {
      return await this.#waitToEnqueue(job, entry);
    }
    throw this.#capacity.queueFull(job);
  }

  /** The refusal of an order that is enqueued, or the order that its id stands for. */
  async #refusalOrKnown(
    thrown: unknown,
    order: ParsedOrder | undefined,
    signal: AbortSignal | undefined,
  ): Promise<OrderError | Job | OrderRecord> {
    try {
      const known = this.#mayBeKept(thrown, order)
        ? await this.#knownInstead(thrown, order as ParsedOrder, signal)
        : undefined;
      return known ?? this.#lifecycle.refused(thrown).error;
    } catch (conflict) {
      return this.#lifecycle.refused(conflict).error;
    }
  }

  /** Calls back when the processor has closed; the result takes that back. */
  whenClosed(callback: () => void): () => void {
    return this.#engine.questions.whenClosed(callback);
  }

  /**
   * An answer for a caller that may ask for one after the other, and goes on in promise callbacks: now and then
   * it is made to wait for the event loop's next turn.
   */
  async paced<T>(answer: Awaitable<T>): Promise<T> {
    // First, since nobody else listens to it.
    const value = await answer;
    if (!this.clock.hasTime()) await this.clock.nextTurn();
    return value;
  }

  #waitToEnqueue(job: Job, entry: Entry): Promise<Entered> {
    const { overflow, signal } = entry;
    const error = (): OrderError => canceled(job, signal);
    return untilAbort(signal, error, (resolve, reject) => {
      // Its turn may come before `wait` returns.
      let endAsking: (() => void) | undefined;
      const leave = this.#capacity.wait(job, overflow, reject, () => {
        endAsking?.();
        try {
          // The signal of many may have made this room, by ending another's waiting.
          if (signal?.aborted) throw error();
          const known = this.#knownAtLast(job);
          resolve(
            known === undefined ? this.#acceptEnqueued(job, entry) : this.#standing(known, entry),
          );
        } catch (thrown) {
          reject(thrown);
        }
      });
      const stand = (known: Job | OrderRecord): void => resolve(this.#standing(known, entry));
      endAsking = this.#askMeanwhile(job, leave, stand, reject);
      return () => {
        endAsking?.();
        return leave();
      };
    });
  }

  #wait(job: Job, { overflow, signal }: Entry, tell: Follower): Promise<void> {
    return new Promise((resolve) => {
      let takeBack: (() => void) | undefined;
      let endAsking: (() => void) | undefined;
      const stand = (begun: Beginning): void => {
        takeBack?.();
        endAsking?.();
        resolve();
        this.#stand(begun, signal, tell);
      };
      const end = (outcome: OrderOutcome): void => stand(outcome);
      let leave: (() => boolean) | undefined;
      try {
        takeBack =
          signal &&
          onAbort(signal, () => {
            if (leave?.()) end(this.#lifecycle.refused(canceled(job, signal)));
          });
      } catch (error) {
        return end(this.#lifecycle.refused(error));
      }
      const refuse = (error: OrderError): void => stand(this.#refuse(error, job, signal));
      leave = this.#capacity.wait(job, overflow, refuse, () => {
        takeBack?.();
        endAsking?.();
        try {
          // The signal of many may have made this room, by canceling another.
          if (signal?.aborted) throw canceled(job, signal);
          const known = this.#knownAtLast(job);
          if (known !== undefined) stand(this.#standIn(known) as Begun);
          else {
            this.#follow(job, true, signal, tell);
            this.#engine.accept(job);
          }
        } catch (error) {
          stand(this.#refuse(error, job, signal));
        }
        resolve();
      });
      endAsking = this.#askMeanwhile(
        job,
        leave,
        (known) => stand(this.#standIn(known) as Begun),
        (conflict) => stand(this.#lifecycle.refused(conflict)),
      );
    });
  }

  /**
   * An order whose id the storage knows need not wait for room; asked after a moment, since most need not wait long.
   *
   * @param leave - takes the order out of the line; false if its turn has come
   * @returns a function that ends this
   */
  #askMeanwhile(
    job: Job,
    leave: () => boolean,
    stand: (known: Job | OrderRecord) => void,
    refuse: (conflict: unknown) => void,
  ): (() => void) | undefined {
    const refusals = this.#refusals;
    if (refusals?.mayAsk(job) !== true) return undefined;
    let hasEnded = false;
    const ask = async (): Promise<void> => {
      if (!refusals.mayAsk(job)) return;
      try {
        const stored = await refusals.ask(job);
        if (hasEnded) return;
        const known = this.#admission.known(job, stored);
        // Settled since it was found; then its own turn will tell.
        const isOver = known instanceof Job && this.#inFlight.find(known) !== known;
        if (known !== undefined && !isOver && leave()) stand(known);
      } catch (conflict) {
        if (leave()) refuse(conflict);
      }
    };
    const timer = setTimeout(ask, askAfterMs);
    return () => {
      hasEnded = true;
      clearTimeout(timer);
    };
  }

  /**
   * A waiting order's turn has come; meanwhile the processor may have shut down, or the id have become
   * known. Gives the order that has the id.
   */
  #knownAtLast(order: ParsedOrder): Job | OrderRecord | undefined {
    this.#admission.checkOpen(order);
    return this.#admission.known(order);
  }

  #follow(job: Job, isOwn: boolean, signal: AbortSignal | undefined, tell: Follower): void {
    const told = toldOf(job);
    if (told !== undefined && tell(told, false) !== false) return;
    if (signal === undefined) {
      job.follow(tell);
      return;
    }
    if (isOwn) job.signal = signal;
    const takeBack = onAbort(signal, () => {
      if (isOwn) {
        this.#engine.cancelNow(job, bySignal(signal));
        return;
      }
      // Somebody else's order is not this caller's to cancel.
      job.unfollow(follower);
      tell({ status: 'canceled', error: canceled(job, signal) }, true);
    });
    const follower: Follower = (outcome, isSettled) => {
      const hasHeard = tell(outcome, isSettled);
      if (hasHeard !== false) takeBack();
      return hasHeard;
    };
    job.follow(follower);
  }
}
