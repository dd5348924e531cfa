import { type CallEnd, storageCall } from '../lifecycle/calls/storage-call.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { Awaitable } from '../runtime/awaitable.ts';
import type { Ledger, Settled } from '../storage/ledger.ts';
import { settleChannel } from '../tracing/channels.ts';
import type { OrderMessage, SettleMessage } from '../tracing/messages.ts';
import { Message, type TracedProcessor } from '../tracing/operation.ts';
import type { OrderSettlement } from './settlement.ts';

type Batch = readonly OrderSettlement[];

class Settle extends Message implements SettleMessage {
  readonly #batch: Batch;
  declare error?: unknown;

  constructor(traced: TracedProcessor, batch: Batch) {
    super(traced);
    this.#batch = batch;
  }

  begin<T>(call: () => T): T {
    return this.publishBegin(settleChannel, call);
  }

  end(): void {
    this.publishEnd(settleChannel);
  }

  get size(): number {
    return this.#batch.length;
  }

  get orderIds(): readonly string[] {
    return this.#batch.map(({ id }) => id);
  }

  get processing(): readonly OrderMessage[] {
    return this.#batch
      .map(({ job }) => job.trace?.processing)
      .filter((processing) => processing !== undefined);
  }
}

/** Makes the calls of the storage that settle orders, one at a time, and says so to listeners and subscribers. */
export class SettleCalls {
  readonly #ledger: Ledger;
  readonly #lifecycle: Lifecycle;
  #callEnd: CallEnd | undefined = undefined;
  /** The call that is under way, if it is published. */
  #message: Settle | undefined = undefined;

  constructor(ledger: Ledger, lifecycle: Lifecycle) {
    this.#ledger = ledger;
    this.#lifecycle = lifecycle;
  }

  call(batch: Batch): Awaitable<readonly Settled[]> {
    // What is in memory is no call of a storage.
    if (this.#ledger.isVolatile) return this.#ledger.settle(batch);
    this.#callEnd = storageCall(this.#lifecycle.events, 'settle', batch.length);
    if (!settleChannel.hasSubscribers) return this.#ledger.settle(batch);
    const { traced } = this.#lifecycle;
    const message = new Settle(traced, batch);
    this.#message = message;
    // The call is of many orders, and is made in the context of one of them.
    return traced.outside(() => message.begin(() => this.#ledger.settle(batch)));
  }

  /** The call has been answered. */
  answered(): void {
    this.#callEnd?.(false);
    this.#callEnd = undefined;
    if (this.#message !== undefined) this.#published(this.#message);
  }

  /** The call has failed, or its answer does not count any more. */
  failed(cause: unknown): void {
    this.#callEnd?.(true);
    this.drop(cause);
  }

  /** Nothing waits for the answer any more. */
  drop(cause: unknown): void {
    this.#callEnd = undefined;
    if (this.#message === undefined) return;
    this.#message.error = cause;
    this.#published(this.#message);
  }

  #published(message: Settle): void {
    this.#message = undefined;
    message.end();
  }
}
