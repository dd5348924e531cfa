import {
  checkIterable,
  type EnqueueOptions,
  type OutcomeOptions,
  type RetryOrderOptions,
  readRetryOptions,
  type SubmitOptions,
  signalOf,
} from './admission/caller-options.ts';
import { type Enqueued, enqueue } from './admission/enqueue.ts';
import { compensateOrder } from './admission/retry/compensate-order.ts';
import { retryOrder } from './admission/retry/retry-order.ts';
import { submitMany } from './admission/submit-many.ts';
import { OutcomeStream } from './admission/submit-stream.ts';
import { Engine } from './engine.ts';
import type { EventName, ProcessorEvents } from './lifecycle/processor-events.ts';
import type { ShutdownSummary } from './lifecycle/shutdown-summary.ts';
import type { ProcessorStats } from './lifecycle/stats.ts';
import { type OrderProcessorOptions, readOptions, type Settings } from './options.ts';
import type { Order } from './order/order.ts';
import type { OrderError } from './order/order-error.ts';
import type { OrderOutcome, OrderRecord, Receipt } from './order/outcome.ts';
import { isName, nameForm } from './order/parse-order.ts';
import { storageFailed } from './order/processor-errors.ts';
import type { StepValues } from './order/step-result.ts';
import { type HoldOptions, readHoldOptions } from './processing/holds/hold-options.ts';
import { type ReleaseOptions, readRelease } from './processing/holds/release-options.ts';
import type { RunningOrder } from './processing/now/running-order.ts';
import { type RunningQuery, runningOrders } from './processing/now/running-orders.ts';
import { type WaitingOptions, waitingOrders } from './processing/now/waiting-orders.ts';
import {
  type MovementPage,
  type MovementQuery,
  type OutcomesOptions,
  readAfter,
  readMovementQuery,
  type SettledOutcome,
} from './queries/history-query.ts';
import { type HoldPage, type HoldQuery, holdPageOf, readHoldQuery } from './queries/hold-query.ts';
import { type OrderPage, type OrderQuery, readQuery } from './queries/order-query.ts';
import { isThenable } from './runtime/awaitable.ts';
import { rejectedWith } from './runtime/caller-frames.ts';
import { checkInteger, wrong } from './runtime/checks.ts';
import { Clock, keepClock } from './runtime/clock.ts';
import { Deadline, drain, readShutdownOptions, type ShutdownOptions } from './shutdown.ts';
import type { Hold, ReleasedLane } from './storage/holds/hold.ts';
import type { Ledger } from './storage/ledger.ts';
import { MemoryStorage } from './storage/memory/memory-storage.ts';
import { openLedger, unixNowOf } from './storage/open-ledger.ts';
import { giveBack } from './storage/storages-in-use.ts';
import { tracedProcessor } from './tracing/traced-processor.ts';

/** How many outcomes of a stream wait for its reader at most. */
const streamWindow = 1_000;

/**
 * Processes orders one at a time per user and in parallel across users, and keeps every user's
 * balance exactly right.
 *
 * It has three states, changed only in `shutdown`:
 *
 * ```text
 * running ── shutdown() ──▶ draining ── all settled, or the deadline ──▶ closed
 * accepts orders            refuses with `shut_down`, finishes           storage closed
 *                           what it accepted and what its steps
 *                           hand in, pauses nothing
 * ```
 *
 * @typeParam Payload - the type of the orders' `payload`, as steps, rules, events and receipts see it
 * @typeParam Input - the type of the `payload` as callers hand it in; another one only where a `schema`
 *   makes it so
 * @typeParam Results - what the steps return, by name, as receipts and records have it: `{ payment: Charge }`. The steps
 *   must fit it; any by default
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 *
 * const processor = new OrderProcessor({ concurrency: 16 });
 * const receipt = await processor.submit({ userId: 'u-1', amount: 1200 });
 * console.log(receipt.balance); // prints: 1200
 * console.log(await processor.balance('u-1')); // prints: 1200
 * await processor.shutdown();
 * ```
 *
 * @category Processor
 */
export class OrderProcessor<Payload = unknown, Input = Payload, Results = StepValues> {
  readonly #settings: Settings;
  readonly #storage: Ledger;
  readonly #engine: Engine;
  #state: ProcessorStats['state'] = 'running';
  #shutdown: Promise<ShutdownSummary> | undefined;
  #deadline: Deadline | undefined;

  /**
   * @param options - each is checked
   * @throws TypeError or RangeError for an option that is unknown, of a wrong type or out of range
   */
  constructor(options: OrderProcessorOptions<Payload, Input, Results> = {}) {
    this.#settings = readOptions(options);
    const storage = this.#settings.storage ?? new MemoryStorage();
    const clock = new Clock(unixNowOf(storage));
    keepClock(this, clock);
    this.#storage = openLedger(storage, clock);
    try {
      const traced = tracedProcessor(this, storage);
      this.#engine = new Engine(this.#settings, this.#storage, clock, traced);
    } catch (error) {
      giveBack(this.#settings.storage);
      throw error;
    }
  }

  /**
   * Has an order processed. A step that awaits an order of its own user would wait for itself, and so would steps
   * that await orders of each other's users: the promise then rejects with `deadlock`, and the order goes on. The async
   * context of the step shows this; where that context is lost, `timeoutMs`, `cancel` or `shutdown` ends the wait. Use
   * `enqueue` in a step.
   *
   * @param order - is checked and copied at once; only `payload` is kept by reference, or copied if the storage keeps
   * JSON
   * @param options - a signal to cancel it with
   * @returns the receipt, when the order has completed; rejects with an {@link OrderError} when it was
   *   refused, failed or was canceled
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * const receipt = await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * console.log(receipt.balance); // prints: 500
   * ```
   */
  submit(order: Order<Input>, options?: SubmitOptions): Promise<Receipt<Payload, Results>> {
    return this.#engine.submitter.submit(order, options) as Promise<Receipt<Payload, Results>>;
  }

  /**
   * Has an order accepted, to be processed later. Without steps it may be settled when this resolves. To follow it,
   * await {@link OrderProcessor.outcome}, listen to the events, or call {@link OrderProcessor.order}.
   *
   * With `client`, it is accepted in a transaction of the host's own: it is there when that commits, and never if it does
   * not. Schema and rules run now. `capacity` bounds nothing: the order is in the database alone until its owner takes it up.
   * Await {@link OrderProcessor.outcome} after the commit; before that, the id is known to no other session. No processor
   * counts it as accepted, and none raises `accepted` for it.
   *
   * @param order - see {@link submit}
   * @param options - a signal that ends the waiting for its acceptance; the `client` of a transaction
   * @returns the order's record, when it is accepted, durably where the storage is durable; with `client` when it is
   *   written in the transaction; for an id that is known already, the record of the known order. Rejects with an {@link
   *   OrderError} when the order was refused, with `canceled` by its signal, with `storage_failed` if the transaction did
   *   not take it, with the `cause` that the client gave; with a TypeError for a `client` that the storage cannot use
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * const { id } = await processor.enqueue({ userId: 'ann', amount: 500 });
   * console.log((await processor.outcome(id))?.status); // prints: completed
   * ```
   */
  async enqueue(
    order: Order<Input>,
    options?: EnqueueOptions,
  ): Promise<OrderRecord<Payload, Results>> {
    try {
      const { record } = await this.handIn(order, options);
      return record as OrderRecord<Payload, Results>;
    } catch (error) {
      return await rejectedWith(error as OrderError);
    }
  }

  /**
   * Enqueues an order for a caller that may wait for its end. The caller cannot wait by the id: it may belong to
   * another order by then.
   *
   * @param notify - called with the outcome when a caller of `submit` is notified, perhaps before this resolves
   *
   * @internal
   */
  handIn(
    order: Order<Input>,
    options?: EnqueueOptions,
    notify?: (outcome: OrderOutcome) => void,
  ): Promise<Enqueued> {
    return enqueue(this.#engine.admission, order, this.#settings.overflow, options, notify);
  }

  /**
   * The fast way for bulk work: has many orders processed, orders of one user in the order given. Where there is no
   * room, `overflow` decides for each order by itself, so set `'wait'` for a list beyond `capacity`.
   *
   * @param orders - each is checked and copied when its turn comes
   * @returns one outcome for each order, in the same order, when all are settled; rejects only with
   *   `invalid_order`, for something that is not iterable or that throws; the orders before it go on
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * const outcomes = await processor.submitMany([
   *   { userId: 'ann', amount: 500 },
   *   { userId: 'ben', amount: 0.5 },
   * ]);
   * for (const { status } of outcomes) console.log(status);
   * // prints: completed
   * // prints: refused
   * ```
   */
  submitMany(orders: Iterable<Order<Input>>): Promise<OrderOutcome<Payload, Results>[]> {
    const outcomes = submitMany(this.#engine.admission, orders, this.#settings.overflow);
    return outcomes as Promise<OrderOutcome<Payload, Results>[]>;
  }

  /**
   * Has a stream of orders processed with back-pressure: the source is asked for its next order only when the one
   * before was accepted and no more than 1 000 outcomes wait for the reader. It waits for room, even if `overflow` is
   * `'reject'`.
   *
   * @param orders - iterable or async iterable; what it throws comes out after the outcomes of the
   *   orders before
   * @returns the outcomes, in the order of the source. Leaving the loop stops the source; orders
   *   already accepted go on. Once the processor shuts down the source is stopped, too: an order that it
   *   gave after that is refused with `shut_down`, and is the last; a source that gives nothing has the
   *   outcomes end when the processor has closed
   * @throws OrderError `invalid_order` for something that is not iterable
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * function* orders() {
   *   for (let day = 1; day <= 3; day += 1) yield { userId: 'ann', amount: day };
   * }
   * for await (const outcome of processor.submitStream(orders())) {
   *   if (outcome.status === 'completed') console.log(outcome.balance);
   * }
   * // prints: 1
   * // prints: 3
   * // prints: 6
   * ```
   */
  submitStream(
    orders: AsyncIterable<Order<Input>> | Iterable<Order<Input>>,
  ): AsyncIterableIterator<OrderOutcome<Payload, Results>> {
    checkIterable(orders, [Symbol.asyncIterator, Symbol.iterator]);
    const window = Math.min(streamWindow, this.#settings.capacity);
    const outcomes: AsyncIterableIterator<OrderOutcome> = new OutcomeStream(
      this.#engine.admission,
      orders,
      window,
      this.#engine.questions,
    );
    return outcomes as AsyncIterableIterator<OrderOutcome<Payload, Results>>;
  }

  /**
   * All that is known of an accepted order, as long as the storage remembers it.
   *
   * @param id - the order's id
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * const { id } = await processor.enqueue({ userId: 'ann', amount: 500 });
   * console.log((await processor.order(id))?.userId); // prints: ann
   * ```
   */
  async order(id: string): Promise<OrderRecord<Payload, Results> | undefined> {
    if (!isName(id)) return undefined;
    const record = this.#engine.known.record(id);
    return (await this.#engine.clock.paced(record)) as OrderRecord<Payload, Results> | undefined;
  }

  /**
   * The outcome of an accepted order, also of one that an earlier process accepted. It waits for an order that is
   * unsettled; inside a step that may be a `deadlock`, as with {@link submit}.
   *
   * @param id - the order's id
   * @param options - a signal that ends the waiting
   * @returns what {@link submitMany} gives for the order, when callers of {@link submit} are notified; at once if it is
   * settled and remembered; with the error `shut_down` for an order that {@link shutdown} leaves in the storage;
   * `undefined` for an unknown id, and anything that is none. Rejects with `canceled` when the signal aborts, with
   * `storage_failed` if the storage cannot say, with a TypeError for an option that is unknown or of a wrong type
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.enqueue({ id: 'o-1', userId: 'ann', amount: 500 });
   * const outcome = await processor.outcome('o-1');
   * if (outcome?.status === 'completed') console.log(outcome.balance); // prints: 500
   * ```
   */
  async outcome(
    id: string,
    options?: OutcomeOptions,
  ): Promise<OrderOutcome<Payload, Results> | undefined> {
    const signal = signalOf('outcome', options);
    const outcome = isName(id) ? this.#engine.outcomes.outcome(id, signal) : undefined;
    return (await this.#engine.clock.paced(outcome)) as OrderOutcome<Payload, Results> | undefined;
  }

  /**
   * Lists orders in the order of acceptance, the one accepted last first, a page at a time: the ones in
   * flight, and the settled ones as long as the storage remembers them. That order is the storage's own: no
   * step of the system clock changes it. A page ends at about 1 MiB, and where the storage has looked at
   * many orders, so it may have fewer than `limit` orders, and even none: `cursor` says whether there is more.
   *
   * @param query - which orders
   * @returns rejects with a TypeError or RangeError for an option that is unknown or out of range, with
   *   `storage_failed` if the storage cannot say
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * const { orders } = await processor.orders({ userId: 'ann', status: 'completed', limit: 10 });
   * for (const { id } of orders) console.log(id); // prints: o-1
   * ```
   */
  async orders(query: OrderQuery = {}): Promise<OrderPage<Payload, Results>> {
    const page = this.#engine.list.page(readQuery(query));
    return (await this.#engine.clock.paced(page)) as OrderPage<Payload, Results>;
  }

  /**
   * A user's balance in minor units, or `undefined` if the user has never had one.
   *
   * @param userId - anything that is no user's id gives `undefined`
   * @returns rejects with `storage_failed` if the storage cannot say, or has not when the processor
   *   has shut down
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.submit({ userId: 'ann', amount: 500 });
   * console.log(await processor.balance('ann'), await processor.balance('ben')); // prints: 500 undefined
   * ```
   */
  async balance(userId: string): Promise<number | undefined> {
    if (!isName(userId)) return undefined;
    return this.#engine.clock.paced(this.#balanceOf(userId));
  }

  /**
   * A user's statement: each change of the balance in the order applied, the oldest first, a page at a time. Orders of
   * others that credit the user are among them. The balance of each is that of the one before it and its amount; the
   * balance before the first one is its balance less its amount, also where older ones were forgotten or pruned.
   *
   * @param userId - anything that is no user's id has no movements
   * @param query - which movements
   * @returns rejects with a TypeError or RangeError for an option that is unknown or out of range, also for a `cursor`
   *   of another storage; with `history_forgotten` if movements after the cursor were forgotten or pruned meanwhile; with
   *   `storage_failed` if the storage cannot say
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.submit({ userId: 'ann', amount: 500 });
   * await processor.submit({ userId: 'ann', amount: -200 });
   * const { movements } = await processor.movements('ann');
   * for (const { amount, balance } of movements) console.log(amount, balance);
   * // prints: 500 500
   * // prints: -200 300
   * ```
   */
  async movements(userId: string, query: MovementQuery = {}): Promise<MovementPage> {
    const { history, clock } = this.#engine;
    const checked = readMovementQuery(userId, query, history.id);
    if (!isName(userId)) return { movements: [], cursor: undefined };
    return clock.paced(history.movements(checked));
  }

  /**
   * A user's balance after the last movement that was settled up to a time, in minor units; `undefined` if the user had
   * none. If the machine's clock was set back, a movement counts as settled when the one before it was.
   *
   * @param userId - anything that is no user's id gives `undefined`
   * @param time - in Unix milliseconds: an integer from 0 up
   * @returns rejects with a TypeError or RangeError for a wrong time, with `history_forgotten` if movements of that time
   *   were forgotten or pruned, with `storage_failed` if the storage cannot say
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.submit({ userId: 'ann', amount: 500 });
   * console.log(await processor.balanceAt('ann', Date.now() + 1_000)); // prints: 500
   * ```
   */
  async balanceAt(userId: string, time: number): Promise<number | undefined> {
    checkInteger('time', time, 0);
    if (!isName(userId)) return undefined;
    const { history, clock } = this.#engine;
    return clock.paced(history.balanceAt(userId, time));
  }

  /**
   * All settled orders in the order in which they were settled, of all users: first those behind a cursor, then each
   * when it is settled here. A consumer that stores the cursor in the transaction that deals with the outcome deals with
   * each exactly once. It ends when its signal aborts and when the processor has shut down; what it has not given by
   * then, the next one gives, where the storage is durable. A slow consumer delays nothing.
   *
   * @param options - where to begin, and a signal
   * @returns throws `history_forgotten` if outcomes after the cursor were forgotten or pruned, `storage_failed` if the
   *   storage cannot say, a RangeError for a cursor of another storage
   * @throws TypeError or RangeError for an option that is unknown or wrong, also for a cursor of another storage
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * for await (const { sequence, order } of processor.outcomes()) {
   *   console.log(sequence, order.id, order.status); // prints: 1 o-1 completed
   *   break;
   * }
   * ```
   */
  outcomes(options: OutcomesOptions = {}): AsyncIterableIterator<SettledOutcome<Payload, Results>> {
    const { history } = this.#engine;
    const after = readAfter(options, history.id);
    const outcomes: AsyncIterableIterator<SettledOutcome> = history.outcomes(after, options.signal);
    return outcomes as AsyncIterableIterator<SettledOutcome<Payload, Results>>;
  }

  /**
   * Cancels an order: one that waits is settled `canceled`; of one that is processed the steps' signal
   * aborts, and its user's next order waits until they have ended. A failed order that holds its user's lane is settled
   * `canceled` too, and the lane goes on, unless it is held by hand as well.
   *
   * @param id - the order's id
   * @returns whether the order was canceled by this call, once that is certain; it is settled when its
   *   steps have ended. False for an order that is unknown, decided or settled, and where the storage failed to confirm
   *   the cancellation: its callers are rejected with `storage_failed` then, and it may be canceled. Where several
   *   processors share the storage, it may be called at any of them: the order's owner cancels it, or the next owner if
   *   that one ends meanwhile. Rejects with `storage_failed` if the storage cannot say whether it keeps the order; for an
   *   order that holds its lane at another processor also with `shut_down` once this one is shutting down
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * processor.pause('ann');
   * const { id } = await processor.enqueue({ userId: 'ann', amount: 500 });
   * console.log(await processor.cancel(id)); // prints: true
   * ```
   */
  cancel(id: string): Promise<boolean> {
    return this.cancelIf(id, () => true);
  }

  /**
   * The same for an order that its caller may cancel: the id may belong to another order by then. `holdsLane` says
   * whether the order has failed and holds its lane. Rejects with what `mayCancel` throws.
   *
   * @internal
   */
  async cancelIf(
    id: string,
    mayCancel: (userId: string, holdsLane: boolean) => boolean,
  ): Promise<boolean> {
    if (!isName(id)) return false;
    const found = this.#engine.known.unsettled(id);
    const job = isThenable(found) ? await found : found;
    if (job === undefined) return this.#engine.clock.paced(false);
    const asked = this.#engine.acceptance.holdsElsewhere(job);
    const isHeldElsewhere = asked !== undefined && (await asked);
    // Another processor has got it since, and no caller follows it here: it is looked up again, to be awaited.
    if (job.state === 'kept' && job.heir === undefined) return this.cancelIf(id, mayCancel);
    const holdsLane = isHeldElsewhere || this.#engine.heldLanes.isHeldBy(job);
    if (!mayCancel(job.userId, holdsLane)) return this.#engine.clock.paced(false);
    if (isHeldElsewhere) {
      const isCanceled = await this.#engine.laneRequests?.cancel(job.userId, id);
      if (isCanceled !== false) return true;
      const stored = await this.#engine.known.stored(id);
      // It may have been tried again meanwhile.
      return stored?.status === 'pending' && this.cancelIf(id, mayCancel);
    }
    const canceled = this.#engine.cancel(job, { message: 'The order was canceled' });
    return this.#engine.clock.paced(canceled);
  }

  /**
   * Hands in an order once more that failed or was canceled, under a new id: `o-1` comes again as `o-1~2`, and that as
   * `o-1~3`. Its user, amount, postings, payload and priority are those that were ordered, its times are not; schema,
   * rules and `capacity` hold as for any new order. The record of each names the other, as `retriedAs` and `retryOf`;
   * nothing else changes for the old id: its outcome stands, also for who submits it again. However often it is called,
   * by several processes too, one order comes of it.
   *
   * @param id - the old order's id
   * @param options - a signal that ends the waiting for the acceptance of the new order, and its trace
   * @returns the record of the new order, as {@link enqueue} gives it; of an order that was retried before, the present
   *   record of what it came again as. For an order whose caller was notified while its steps end, it waits for that;
   *   inside a step that may be a `deadlock`. Rejects with a TypeError for what can't be an id and for a wrong option; with `not_failed` for
   *   an order that is unknown, not settled or completed, that was refused, or that holds its user's lane, where
   *   {@link release} is the way; with `history_forgotten` if the order that it came again as was forgotten; with
   *   `order_conflict` if another order has the new id, also one that came again of an earlier order with the id, which was
   *   forgotten; with an {@link OrderError} when the new order is refused; with
   *   `storage_failed` if the storage cannot say
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * let isDown = true;
   * await using processor = new OrderProcessor({
   *   steps: [
   *     {
   *       name: 'charge',
   *       run() {
   *         if (isDown) throw new Error('The provider is down');
   *       },
   *     },
   *   ],
   * });
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 }).catch(() => {});
   * isDown = false;
   * const { id } = await processor.retry('o-1');
   * console.log(id, (await processor.outcome(id))?.status); // prints: o-1~2 completed
   * ```
   */
  async retry(id: string, options?: RetryOrderOptions): Promise<OrderRecord<Payload, Results>> {
    if (!isName(id)) throw wrong(TypeError, 'id', nameForm, id);
    const read = readRetryOptions(options);
    const record = retryOrder(this.#engine, id, this.#settings.overflow, read);
    return (await this.#engine.clock.paced(record)) as OrderRecord<Payload, Results>;
  }

  /**
   * Runs the compensations of a settled order once more that have failed, the last step first, in the lane of its user:
   * after the order that is being processed, before those that wait, and also while the lane is held. They get the same
   * keys, and what their steps have returned. The order's outcome stands. An order that holds its lane is not settled yet
   * and `not_failed`, and its lane stays held: {@link release} it with `'skip'` first, or with `'retry'` to run it again.
   * Calls for one order at the same time are one.
   * It is in this process alone: if that ends meanwhile, they have failed as before. Where several processors share the
   * storage, the owner of the user's partition does it, and the next owner begins anew.
   *
   * @param id - the order's id
   * @returns the order's record, when they have ended: `steps` says what came of each; the same record if none has
   *   failed. For an order whose caller was notified while its steps end, it waits for that. Rejects with a TypeError
   *   for what can't be an id, and if `steps` has no such step with `compensate` any more; with `not_failed` for an order that is unknown, not settled or completed; with `deadlock` in a
   *   step of the order's user; with `shut_down` once the processor is shutting down; with `storage_failed` if the
   *   storage cannot give the order, or did not record what came of it
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * let isDown = true;
   * await using processor = new OrderProcessor({
   *   steps: [
   *     {
   *       name: 'charge',
   *       run() {
   *         throw new Error('Lost in flight');
   *       },
   *       compensate() {
   *         if (isDown) throw new Error('The provider is down');
   *       },
   *     },
   *   ],
   * });
   * processor.on('error', () => {});
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 }).catch(() => {});
   * isDown = false;
   * const { steps } = await processor.compensate('o-1');
   * console.log(steps[0]?.compensation?.status); // prints: ok
   * ```
   */
  async compensate(id: string): Promise<OrderRecord<Payload, Results>> {
    if (!isName(id)) throw wrong(TypeError, 'id', nameForm, id);
    const record = compensateOrder(this.#engine, id);
    return (await this.#engine.clock.paced(record)) as OrderRecord<Payload, Results>;
  }

  /**
   * Resolves when the orders that an earlier process left unsettled have been taken up, before any new one
   * begins; at once where the storage keeps none. Never rejects: a storage that fails is asked again
   * until it works or the processor has shut down.
   */
  get ready(): Promise<void> {
    return this.#engine.ready;
  }

  /** How many orders that an earlier process left unsettled have been taken up. */
  get recovered(): number {
    return this.#engine.recovery?.recovered ?? 0;
  }

  /**
   * What the processor does and has done; cheap enough to be called every second.
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.submit({ userId: 'ann', amount: 500 });
   * console.log(processor.stats().completed); // prints: 1
   * ```
   */
  stats(): ProcessorStats {
    const storageSizes = this.#storage.sizes?.();
    const cluster = this.#storage.cluster?.();
    return this.#engine.stats({ state: this.#state, storageSizes, cluster });
  }

  /**
   * The orders whose steps run in this process, those that have stalled too: with the steps that have ended, run or
   * wait, and when. Costs nothing before it is called.
   *
   * @param query - which; the first 100 by default
   * @returns the orders, the one that began first first
   * @throws TypeError or RangeError for a filter that is unknown or wrong
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor({
   *   steps: [{ name: 'pay', run: () => new Promise((resolve) => setTimeout(resolve, 20)) }],
   * });
   * const paid = processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * await new Promise((resolve) => setTimeout(resolve, 5));
   * const [order] = processor.running({ userId: 'ann' });
   * console.log(order?.orderId, order?.steps[0]?.state); // prints: o-1 running
   * await paid;
   * ```
   */
  running(query: RunningQuery = {}): RunningOrder[] {
    const { clock, dispatcher } = this.#engine;
    return runningOrders(dispatcher.runner.all, clock, query);
  }

  /**
   * The orders that wait in a user's lane in this process, the next one first. Orders whose `notBefore` has not come are
   * in no lane, and those for which there was no room yet are in the storage alone: {@link orders} has them. Costs nothing
   * before it is called.
   *
   * @param userId - whose lane
   * @param options - how many; the first 100 by default
   * @throws TypeError or RangeError for what can't be a user's id, and for an option that is unknown or wrong
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * processor.pause();
   * for (const id of ['o-1', 'o-2']) await processor.enqueue({ id, userId: 'ann', amount: 500 });
   * console.log(processor.waiting('ann').map(({ id }) => id).join()); // prints: o-1,o-2
   * ```
   */
  waiting(userId: string, options: WaitingOptions = {}): OrderRecord<Payload, Results>[] {
    const { clock, dispatcher } = this.#engine;
    const orders = waitingOrders(dispatcher.queue, clock, userId, options);
    return orders as OrderRecord<Payload, Results>[];
  }

  /**
   * Holds a user's lane: none of the user's orders begins before {@link release}; one that is being processed goes on
   * to its end. Orders are accepted as always and wait; they count for `capacity`, which `capacityPerUser` divides.
   * The lane stops with this call. A hold is kept by the storage and outlives the process, where the storage keeps
   * orders; a {@link MemoryStorage} keeps it for its next processor. {@link shutdown} leaves it and what waits
   * behind it. Use {@link pause} for the flow control of this process. Where several processors share the storage, it may
   * be called at any of them: the lane stops when the owner of the user's partition has been asked, before this resolves.
   * A call that rejects with `shut_down` while it waits for the owner may hold the lane later.
   *
   * @param userId - whose lane
   * @param options - why
   * @returns the hold, when the storage has it; if the lane was held before, that hold, with a new `reason` if one is
   *   given. Rejects with a TypeError or RangeError for what can't be a user's id and for an option that is unknown
   *   or wrong, with `storage_failed` if the storage did not keep it: a lane that was not held goes on then, though
   *   the storage may have the hold, which counts after the next start: {@link release} ends it there. Rejects with
   *   `shut_down` once the processor is shutting down
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * const { reason } = await processor.hold('ann', { reason: 'fraud?' });
   * console.log(reason); // prints: fraud?
   * await processor.release('ann');
   * ```
   */
  async hold(userId: string, options: HoldOptions = {}): Promise<Hold> {
    checkName(userId);
    const { heldLanes, laneRequests } = this.#engine;
    return (laneRequests ?? heldLanes).hold(userId, readHoldOptions(options));
  }

  /**
   * Ends the hold of a user's lane, which goes on once the storage has noted that. Where several processors share the
   * storage, it may be called at any of them: the owner of the user's partition releases the hold that is there now, or
   * the next owner does if that one ends meanwhile.
   *
   * @param userId - whose lane
   * @param action - what becomes of a failed order that holds the lane, see {@link Step.onFailure}, and is needed
   *   then: `'retry'` runs it again, with the attempts of its steps counted on, and with another `idempotencyKey` for
   *   each step that was compensated; `'skip'` settles it as failed. A lane that is held by hand goes on with
   *   `'retry'` as without
   * @param options - of which order
   * @returns what held it. Rejects with a TypeError for what can't be a user's id, for an option that is unknown or
   *   wrong and for an action that is missing or has no order, with a RangeError for one that is unknown, with
   *   `not_held` for a lane that is not held, or not by the order that was named, with `storage_failed` if the storage
   *   did not end the hold: the lane stays held in this process, and may go on after the next start; an owner among
   *   several processors tries that again until the storage works. Rejects with `shut_down` once the processor is
   *   shutting down
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.hold('ann');
   * const { userId } = await processor.release('ann');
   * console.log(userId); // prints: ann
   * ```
   */
  async release(
    userId: string,
    action?: 'retry' | 'skip',
    options: ReleaseOptions = {},
  ): Promise<ReleasedLane> {
    checkName(userId);
    const { heldLanes, laneRequests } = this.#engine;
    return (laneRequests ?? heldLanes).release(userId, readRelease(action, options));
  }

  /**
   * Lists the lanes that are held, a page at a time; see `heldLanes` and `oldestHoldMs` of {@link stats} for alerts.
   *
   * @param query - which page
   * @returns rejects with a TypeError or RangeError for an option that is unknown or out of range, with
   *   `storage_failed` if the storage cannot say
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * await processor.hold('ann', { reason: 'fraud?' });
   * const { holds } = await processor.holds({ limit: 10 });
   * for (const { userId, reason } of holds) console.log(userId, reason); // prints: ann fraud?
   * ```
   */
  async holds(query: HoldQuery = {}): Promise<HoldPage> {
    const checked = readHoldQuery(query);
    const { userId, ...page } = checked;
    const { clock, heldLanes } = this.#engine;
    const holds = userId === undefined ? heldLanes.page(page) : heldLanes.heldOf(userId);
    return holdPageOf(await clock.paced(holds), checked);
  }

  /**
   * Lets no further order begin, of one user or at all. Accepting goes on, and so does what is being
   * processed. Without effect once the processor is shutting down. This is flow control of this process: no storage
   * knows of it, a restart and {@link shutdown} end it. Use {@link hold} for what is to last.
   *
   * @param userId - whose orders; the orders of all users when left out
   * @throws TypeError for something that can't be a user's id
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * processor.pause('ann');
   * await processor.enqueue({ userId: 'ann', amount: 500 });
   * console.log(processor.stats().queueLength); // prints: 1
   * processor.resume('ann');
   * ```
   */
  pause(userId?: string): void {
    checkUserId(userId);
    if (this.#state === 'running') this.#engine.pause(userId);
  }

  /**
   * Ends a pause. The pause of the whole processor and the pauses of users are independent of each other.
   *
   * @param userId - whose pause; the pause of the whole processor when left out
   * @throws TypeError for something that can't be a user's id
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * processor.pause();
   * const { id } = await processor.enqueue({ userId: 'ann', amount: 500 });
   * processor.resume();
   * console.log((await processor.outcome(id))?.status); // prints: completed
   * ```
   */
  resume(userId?: string): void {
    checkUserId(userId);
    this.#engine.dispatcher.resume(userId);
  }

  /**
   * Resolves when nothing accepted is left unsettled, but what waits in held lanes; at once if that is so now. A
   * paused lane does not count as held.
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * for (let count = 0; count < 3; count += 1) {
   *   await processor.enqueue({ userId: 'ann', amount: 100 });
   * }
   * await processor.onIdle();
   * console.log(await processor.balance('ann')); // prints: 300
   * ```
   */
  onIdle(): Promise<void> {
    return this.#engine.lifecycle.idleness.whenIdle();
  }

  /**
   * Ends the processor: refuses new orders with `shut_down`, ends every pause, finishes the accepted orders, closes the
   * storage. Orders that steps of accepted orders hand in before the deadline are accepted still. At the deadline it
   * cancels the orders that are left, and gives steps, compensations, the storage's last answer and its closing one
   * more second each. Do not await it inside a step: it waits for the step's own order. `balance`, `order` and
   * `outcome` go on answering from what the storage still offers.
   *
   * @param options - the deadline
   * @returns a summary; always resolves. Later calls give the same promise; one with a `timeoutMs` of its own brings the
   *   deadline forward, if that is earlier
   * @throws TypeError or RangeError for an option that is unknown or out of range
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * const processor = new OrderProcessor();
   * await processor.enqueue({ userId: 'ann', amount: 500 });
   * await processor.shutdown({ timeoutMs: 10_000 });
   * console.log(await processor.balance('ann')); // prints: 500
   * ```
   */
  shutdown(options: ShutdownOptions = {}): Promise<ShutdownSummary> {
    const timeoutMs = readShutdownOptions(options);
    if (this.#shutdown === undefined) {
      const { promise, resolve } = Promise.withResolvers<ShutdownSummary>();
      // First, since a listener of what follows may call it too.
      this.#shutdown = promise;
      this.#deadline = new Deadline(timeoutMs);
      resolve(this.#shutDown(this.#deadline));
    } else if (timeoutMs !== undefined) this.#deadline?.bringForward(timeoutMs);
    return this.#shutdown;
  }

  /** {@link shutdown} with its defaults, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  /**
   * Calls a listener at each event of a name. What it throws changes nothing; see {@link ProcessorEvents}.
   *
   * @param event - the event's name
   * @param listener - called synchronously
   * @throws TypeError for an unknown event or a listener that is no function
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * processor.on('completed', ({ orderId, balance }) => console.log(orderId, balance));
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * // prints: o-1 500
   * ```
   */
  on<E extends EventName>(
    event: E,
    listener: (payload: ProcessorEvents<Payload, Results>[E]) => unknown,
  ): this {
    this.#engine.lifecycle.events.on(event, listener);
    return this;
  }

  /**
   * The same for the next event of the name alone.
   *
   * @param event - the event's name
   * @param listener - called synchronously, once
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * processor.once('completed', ({ orderId }) => console.log(orderId));
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * await processor.submit({ id: 'o-2', userId: 'ann', amount: 500 });
   * // prints: o-1
   * ```
   */
  once<E extends EventName>(
    event: E,
    listener: (payload: ProcessorEvents<Payload, Results>[E]) => unknown,
  ): this {
    this.#engine.lifecycle.events.once(event, listener);
    return this;
  }

  /**
   * Removes a listener; if it was added several times, the last of these.
   *
   * @param event - the event's name
   * @param listener - the function that `on` or `once` was given
   * @throws TypeError for an unknown event
   *
   * @example
   * ```ts
   * import { OrderProcessor } from 'order-processor';
   *
   * await using processor = new OrderProcessor();
   * const log = ({ orderId }: { readonly orderId: string }) => console.log(orderId);
   * processor.on('completed', log);
   * await processor.submit({ id: 'o-1', userId: 'ann', amount: 500 });
   * processor.off('completed', log);
   * await processor.submit({ id: 'o-2', userId: 'ann', amount: 500 });
   * // prints: o-1
   * ```
   */
  off<E extends EventName>(
    event: E,
    listener: (payload: ProcessorEvents<Payload, Results>[E]) => unknown,
  ): this {
    this.#engine.lifecycle.events.off(event, listener);
    return this;
  }

  async #balanceOf(userId: string): Promise<number | undefined> {
    try {
      const balance = this.#storage.get(userId);
      return isThenable(balance) ? await this.#engine.questions.ask(balance) : balance;
    } catch (cause) {
      throw storageFailed('The storage could not give the balance', cause);
    }
  }

  async #shutDown(deadline: Deadline): Promise<ShutdownSummary> {
    const engine = this.#engine;
    const before = { ...engine.lifecycle.counts };
    const startedAt = engine.clock.read();
    this.#state = 'draining';
    engine.dispatcher.resumeAll();
    const refused = engine.admission.close();
    const rest = await drain(engine, () => this.#storage.close?.(), deadline);
    await refused;
    this.#state = 'closed';
    const hasGivenUp = engine.questions.close();
    engine.history.close();
    engine.dispatcher.close();
    giveBack(this.#settings.storage);
    // Callers that waited for an answer of the storage get theirs before the shutdown ends.
    if (hasGivenUp) await engine.clock.nextTurn();
    const summary: ShutdownSummary = {
      completed: engine.lifecycle.counts.completed - before.completed,
      failed: engine.lifecycle.counts.failed - before.failed - rest.unsettled.length,
      canceled: engine.lifecycle.counts.canceled - before.canceled,
      ...rest,
      durationMs: engine.clock.read() - startedAt,
    };
    engine.lifecycle.events.end(summary);
    return summary;
  }
}

function checkUserId(userId: unknown): void {
  if (userId !== undefined) checkName(userId);
}

function checkName(userId: unknown): void {
  if (!isName(userId)) throw wrong(TypeError, 'userId', nameForm, userId);
}
