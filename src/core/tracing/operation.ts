import type { TracingChannel } from 'node:diagnostics_channel';
import type { TracingMessage } from './messages.ts';

/** Of which processor messages are. */
export interface TracedProcessor extends TracingMessage {
  /** Does something in the async context in which the processor was made, and not in that of an order. */
  outside<T>(work: () => T): T;
}

/** The message of an operation. */
export abstract class Message implements TracingMessage {
  readonly processor: object;
  readonly processorName: string | undefined;
  readonly storage: string | undefined;
  declare error?: unknown;
  #isBeginning = false;
  #isOver = false;

  constructor({ processor, processorName, storage }: TracedProcessor) {
    this.processor = processor;
    this.processorName = processorName;
    this.storage = storage;
  }

  /**
   * Publishes the beginning.
   *
   * @param work - is done in the context that subscribers bind to `start`
   */
  protected publishBegin<T>(channel: TracingChannel<unknown, TracingMessage>, work: () => T): T {
    this.#isBeginning = true;
    try {
      return channel.start.runStores(this, work);
    } finally {
      channel.end.publish(this);
      this.#isBeginning = false;
      if (this.#isOver) this.#publishEnd(channel);
    }
  }

  /** Publishes the end; with an `error` the operation has failed. If it ends in the call that begins it, after that. */
  protected publishEnd(channel: TracingChannel<unknown, TracingMessage>): void {
    this.#isOver = true;
    if (!this.#isBeginning) this.#publishEnd(channel);
  }

  #publishEnd({ error, asyncStart, asyncEnd }: TracingChannel<unknown, TracingMessage>): void {
    if ('error' in this) error.publish(this);
    asyncStart.publish(this);
    asyncEnd.publish(this);
  }
}
