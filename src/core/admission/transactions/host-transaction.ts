import type { Job } from '../../lifecycle/job.ts';
import type { Lifecycle } from '../../lifecycle/lifecycle.ts';
import type { OrderRecord } from '../../order/outcome.ts';
import { storageFailed } from '../../order/processor-errors.ts';
import { recordOf } from '../../order/record.ts';
import type { KnownOrders } from '../../queries/known-orders.ts';
import { checkMethods } from '../../runtime/checks.ts';
import type { Clock } from '../../runtime/clock.ts';
import type { JournalStorage, KeepInTransaction } from '../../storage/ledger.ts';
import type { TransactionClient } from '../../storage/order-transaction.ts';

interface Sources {
  readonly clock: Clock;
  readonly known: KnownOrders;
  readonly lifecycle: Lifecycle;
}

/** A transaction of the host's in which an order is accepted. Only its commit says whether the order is there. */
export class HostTransaction {
  /** The record of the order once it is written, or of the order that has its id. */
  record: OrderRecord | undefined;
  readonly #keep: KeepInTransaction;
  readonly #sources: Sources;

  /** @throws TypeError if the storage cannot keep orders in a transaction of the host's, or not by this connection */
  constructor(client: unknown, journal: JournalStorage | undefined, sources: Sources) {
    checkMethods('client', client, ['query']);
    const keep = journal?.transaction(client as TransactionClient);
    if (keep === undefined) {
      const message =
        "Expected no `client`: the storage keeps no orders in the host's transactions";
      throw new TypeError(message);
    }
    this.#keep = keep;
    this.#sources = sources;
  }

  /**
   * The order is the storage's from then on: nothing of it stays in this process.
   *
   * @throws OrderError `storage_failed`, or `order_conflict`
   */
  async accept(job: Job): Promise<void> {
    const { clock, known, lifecycle } = this.#sources;
    job.acceptNow(clock);
    lifecycle.move(job, 'accepting');
    const result = await this.#keep(job.toNewOrder(clock)).catch((cause: unknown) => {
      const message = 'The transaction did not keep the order: roll it back and run it again';
      throw storageFailed(message, cause, job);
    });
    if (result.status === 'known') {
      known.checkSame(result.order, job);
      lifecycle.counts.duplicates += 1;
      lifecycle.move(job, 'joined');
      job.trace?.submitted('known', job);
      this.record = recordOf(result.order);
    } else {
      lifecycle.move(job, 'kept');
      job.trace?.submitted('accepted', job);
      this.record = { ...job.toRecord(clock), status: 'pending' };
    }
  }
}
