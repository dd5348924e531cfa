import type { OwnershipListener } from '../durability/ownership-listener.ts';
import type { Recovery } from '../durability/recovery.ts';
import type { Job } from '../lifecycle/job.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { OrderError } from '../order/order-error.ts';
import type { History } from '../queries/history.ts';
import type { Settler } from '../settlement/settler.ts';
import type { KeptRequest } from '../storage/requests/owner-requests.ts';
import type { OwnedPartition } from '../storage/shared-storage.ts';
import type { Dispatcher } from './dispatcher.ts';
import type { LanesByPartition } from './holds/lanes-by-partition.ts';
import type { LaneRequests } from './requests/lane-requests.ts';
import type { DelayedOrders } from './timing/delayed-orders.ts';

/** What `ForgottenOrders` needs of others. */
export interface ForgettingSources {
  readonly dispatcher: Dispatcher;
  readonly lifecycle: Lifecycle;
  readonly settler: Settler;
  readonly recovery: Recovery | undefined;
  readonly heldLanes: LanesByPartition;
  readonly laneRequests: LaneRequests | undefined;
  readonly delayed: DelayedOrders;
  readonly history: History;
  storageFailed(error: OrderError): void;
}

/** Where several processors share the storage: how processing lets go of orders and lanes that are another's now. */
export class ForgottenOrders implements OwnershipListener {
  readonly #sources: ForgettingSources;

  constructor(sources: ForgettingSources) {
    this.#sources = sources;
  }

  gained(partition: OwnedPartition): void {
    this.#sources.heldLanes.gained(partition);
  }

  releasing(partition: OwnedPartition): Promise<void> {
    return this.#sources.heldLanes.released(partition);
  }

  ended(partition: OwnedPartition): void {
    this.#sources.heldLanes.ended(partition);
  }

  asked(request: KeptRequest, partition: OwnedPartition): void {
    this.#sources.laneRequests?.asked(request, partition);
  }

  answered(id: string, answer: string): void {
    this.#sources.laneRequests?.answered(id, answer);
  }

  drop(job: Job): boolean {
    return this.#sources.dispatcher.drop(job);
  }

  abandoned(job: Job): void {
    const { dispatcher, lifecycle } = this.#sources;
    if (job.run === undefined) lifecycle.laneFreed(job);
    else {
      dispatcher.runner.abandon(job, { message: 'Another processor owns the order now' });
    }
  }

  forgotten(): void {
    this.#sources.settler.forget();
  }

  awaited(job: Job): void {
    this.#sources.delayed.awaited(job);
  }

  mayGoOn(): void {
    this.#sources.recovery?.goOn();
  }

  /** A request may be old, and a client's: what becomes of an order that holds its lane is for operators. */
  cancel(job: Job): void {
    const { dispatcher, heldLanes } = this.#sources;
    if (!heldLanes.isHeldBy(job)) dispatcher.cancel(job, { message: 'The order was canceled' });
  }

  applied(): void {
    this.#sources.history.settled();
  }

  storageFailed(error: OrderError): void {
    this.#sources.storageFailed(error);
  }
}
