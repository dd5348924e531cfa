import type { Ownership } from '../../durability/ownership.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import { OrderError } from '../../order/order-error.ts';
import type { KnownOrders } from '../../queries/known-orders.ts';
import { quote } from '../../runtime/thrown.ts';
import type { UntilClosed } from '../../runtime/until-closed.ts';
import { nextOrderId } from '../../runtime/uuid-v7.ts';
import type { Hold, ReleasedLane, StoredHold } from '../../storage/holds/hold.ts';
import type { KeptRequest, OwnerRequest } from '../../storage/requests/owner-requests.ts';
import type { OwnedPartition, SharedOrders } from '../../storage/shared-storage.ts';
import type { CompensationsAgain } from '../compensations/compensations-again.ts';
import { heldBy } from '../holds/failed-orders.ts';
import type { HeldLanes } from '../holds/held-lanes.ts';
import { isNotOwned, notOwned } from '../holds/hold-writes.ts';
import type { LanesByPartition } from '../holds/lanes-by-partition.ts';
import type { Release } from '../holds/release-options.ts';
import {
  answerOf,
  heldOf,
  type LaneAnswer,
  type LaneRequest,
  type LaneValue,
  valueIn,
} from './lane-messages.ts';

/** What `LaneRequests` needs of others. */
export interface LaneRequestSources {
  readonly shared: SharedOrders;
  readonly lifecycle: Lifecycle;
  readonly questions: UntilClosed;
  readonly known: KnownOrders;
  readonly compensations: CompensationsAgain;
  readonly heldLanes: LanesByPartition;
  ownership(): Ownership | undefined;
  /** A call of the storage has failed; resolves whether to make it again. */
  mayTryAgain(attempt: number): Promise<boolean>;
}

/** What JSON leaves out. */
const noReason: Pick<Hold, 'reason'> = { reason: undefined };

/**
 * What is done to lanes where several processors share the storage: it is asked for at any processor, and the owner of
 * the user's partition does it, also if that is the processor that asks. The storage keeps what is asked for until it is
 * answered, so an owner that dies loses nothing: the next one does it.
 */
export class LaneRequests {
  readonly #sources: LaneRequestSources;
  /** By id: what is asked for here, and is not answered. */
  readonly #asked = new Map<string, PromiseWithResolvers<string>>();
  #isClosed = false;
  #isOver = false;

  constructor(sources: LaneRequestSources) {
    this.#sources = sources;
  }

  get shared(): SharedOrders {
    return this.#sources.shared;
  }

  /** Holds the lane of a user. */
  async hold(userId: string, reason: string | undefined): Promise<Hold> {
    const hold = await this.#ask(userId, { kind: 'hold', reason });
    return { ...noReason, ...(hold as Partial<Hold>) } as Hold;
  }

  /** Ends the hold of a user that is there now. */
  async release(userId: string, release: Release): Promise<ReleasedLane> {
    this.#checkOpen(userId);
    const held = heldOf(heldBy(await this.#sources.heldLanes.holdOf(userId), userId, release));
    const { action, orderId } = release;
    const released = await this.#ask(userId, { kind: 'release', action, orderId, held });
    return {
      ...noReason,
      action: undefined,
      ...(released as Partial<ReleasedLane>),
    } as ReleasedLane;
  }

  /**
   * Cancels a failed order that holds its lane.
   *
   * @returns (resolves) whether this call canceled it; false if it does not hold the lane any more
   */
  async cancel(userId: string, orderId: string): Promise<boolean> {
    this.#checkOpen(userId);
    const hold = await this.#sources.heldLanes.holdOf(userId);
    if (hold?.orderId !== orderId) return false;
    return (await this.#ask(userId, { kind: 'cancel', orderId, held: heldOf(hold) })) === true;
  }

  /** Tries the failed compensations of a settled order again. */
  async compensate(userId: string, orderId: string): Promise<void> {
    await this.#ask(userId, { kind: 'compensate', orderId });
  }

  /** The storage has a request for the owner of a partition. */
  asked(request: KeptRequest, partition: OwnedPartition): void {
    const ended = this.#sources.ownership()?.work(partition);
    const lanes = this.#sources.heldLanes.of(partition);
    // The next owner is asked.
    if (ended === undefined || lanes === undefined || this.#isClosed) {
      ended?.();
      return;
    }
    void this.#run(request, partition, lanes).finally(ended);
  }

  /** The storage has the answer to a request of this processor. */
  answered(id: string, answer: string): void {
    this.#asked.get(id)?.resolve(answer);
  }

  /** The processor shuts down: nothing more is asked for here, and other owners do what is asked of this one. */
  close(): void {
    this.#isClosed = true;
  }

  /** The processor waits for no answers any more. */
  giveUp(): void {
    this.#isOver = true;
    for (const { reject } of this.#asked.values()) {
      reject(new OrderError('shut_down', 'The processor shut down before the owner had answered'));
    }
  }

  #checkOpen(userId: string): void {
    if (!this.#isClosed) return;
    throw new OrderError('shut_down', 'The processor holds and releases no more lanes', { userId });
  }

  async #ask(userId: string, request: LaneRequest): Promise<LaneValue> {
    this.#checkOpen(userId);
    const { questions, shared } = this.#sources;
    const id = nextOrderId();
    const asked = Promise.withResolvers<string>();
    asked.promise.catch(() => {});
    this.#asked.set(id, asked);
    try {
      const kept = shared.request({ id, userId, request: JSON.stringify(request) });
      await questions.ask(Promise.resolve(kept)).catch((cause) => {
        throw failed('The storage did not keep the request', cause, userId);
      });
      return valueIn(await asked.promise);
    } finally {
      this.#asked.delete(id);
    }
  }

  async #run(request: KeptRequest, partition: OwnedPartition, lanes: HeldLanes): Promise<void> {
    let answer: LaneAnswer;
    try {
      answer = { value: await lanes.untilOver.ask(this.#do(request, lanes)) };
    } catch (error) {
      const isOwner = this.#sources.ownership()?.owns(partition) === true;
      // Else it is the next owner's, or this one's after the next start.
      if (!isOwner || this.#isClosed || isNotOwned(error)) return;
      answer = answerOf(error);
    }
    await this.#answer(request, JSON.stringify(answer), lanes);
  }

  async #do(kept: KeptRequest, lanes: HeldLanes): Promise<LaneValue> {
    const { userId, isBegun } = kept;
    const request = JSON.parse(kept.request) as LaneRequest;
    if (request.kind === 'hold') return lanes.hold(userId, request.reason);
    if (request.kind === 'compensate') return this.#compensate(request.orderId, lanes);
    const held: StoredHold = { ...noReason, ...request.held };
    const begin = isBegun ? undefined : () => this.#begin(kept);
    const once = { orderId: request.orderId, held, isBegun, ...(begin && { begin }) };
    if (request.kind === 'release') {
      return lanes.release(userId, { ...once, action: request.action });
    }
    if (request.kind !== 'cancel') throw unknownRequest(request);
    if (await lanes.cancelHeld(userId, once, { message: 'The order was canceled' })) return true;
    // An earlier owner may have canceled it, and not have answered.
    return isBegun && (await this.#sources.known.stored(request.orderId))?.status === 'canceled';
  }

  async #compensate(orderId: string, lanes: HeldLanes): Promise<null> {
    const { compensations, known } = this.#sources;
    const stored = await known.stored(orderId);
    if (stored?.settledAt !== undefined) await compensations.run(stored, lanes.untilOver);
    return null;
  }

  async #begin(request: OwnerRequest): Promise<void> {
    const { questions, shared } = this.#sources;
    const begun = questions.ask(Promise.resolve(shared.begin(request)));
    const answer = await begun.catch((cause) => {
      throw failed('The storage did not note that the lane is released', cause, request.userId);
    });
    if (answer === 'lost') throw notOwned();
  }

  /** Again and again as long as the storage fails. One that was lost meanwhile is the next owner's. */
  async #answer(request: OwnerRequest, answer: string, lanes: HeldLanes): Promise<void> {
    const { lifecycle, mayTryAgain, questions, shared } = this.#sources;
    for (let attempt = 1; !lanes.isOver && !this.#isOver; attempt += 1) {
      try {
        await questions.ask(Promise.resolve(shared.answer(request, answer)));
        return;
      } catch (cause) {
        const message = 'The storage did not keep the answer to a request';
        lifecycle.events.notify.error?.(failed(message, cause, request.userId));
        if (!(await mayTryAgain(attempt))) return;
      }
    }
  }
}

function failed(message: string, cause: unknown, userId: string): OrderError {
  return new OrderError('storage_failed', message, { cause, userId });
}

/** A processor of a later version may ask for more than this one knows. */
function unknownRequest({ kind }: { readonly kind: string }): OrderError {
  const message = `The owner does not know the request ${quote(kind)}: update all processors`;
  return new OrderError('internal', message);
}
