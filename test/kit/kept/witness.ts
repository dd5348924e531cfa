import type { OrderProcessor, ShutdownSummary } from 'order-processor';
import type { KeptStorage } from '../kept-storage.ts';
import { isGone } from './claims.ts';
import type { Disk } from './disk.ts';
import type { OrderPlan } from './plan.ts';

export interface WitnessOptions {
  /** Ids that were unsettled when the processor was made. */
  readonly inherited: ReadonlySet<string>;
  readonly capacity: number;
  readonly isObserved: boolean;
  /** Records all that must never happen. */
  wrong(what: string): void;
}

/** Compares what one processor's events and statistics say with each other and with the disk. */
export class Witness {
  isInterrupted = false;
  /** How many times something of the storage went wrong. */
  failures = 0;
  readonly #processor: OrderProcessor<OrderPlan>;
  readonly #storage: KeptStorage;
  readonly #disk: Disk;
  readonly #options: WitnessOptions;
  readonly #counts = { completed: 0, failed: 0, canceled: 0 };
  /** Ids by what was said of them. */
  readonly #outcomes = new Map<string, string>();

  constructor(
    processor: OrderProcessor<OrderPlan>,
    storage: KeptStorage,
    disk: Disk,
    options: WitnessOptions,
  ) {
    this.#processor = processor;
    this.#storage = storage;
    this.#disk = disk;
    this.#options = options;
    if (options.isObserved) this.#listenEarly();
    this.#listen();
  }

  /** What failed before now; one less while the storage still fails. */
  get failuresBefore(): number {
    return this.isInterrupted ? this.failures - 1 : this.failures;
  }

  look(summary: ShutdownSummary | undefined): void {
    if (this.#storage.isCut) return;
    const { wrong, capacity } = this.#options;
    const stats = this.#processor.stats();
    const { accepted, recovered, unsettled, completed, failed, canceled } = stats;
    if (unsettled > capacity) wrong('invariant 6: beyond its capacity');
    if ((stats.storage === 'failing') !== this.isInterrupted && stats.state !== 'closed') {
      wrong(`the storage is ${stats.storage} after ${this.isInterrupted}`);
    }
    for (const name of ['completed', 'failed', 'canceled'] as const) {
      const events = this.#counts[name];
      if (stats[name] !== events) wrong(`counts: ${stats[name]} ${name}, ${events} events`);
    }
    if (stats.state === 'draining') return;
    const has = accepted + recovered;
    const sum = completed + failed + canceled + unsettled + (summary?.kept ?? 0);
    // Those on their way into the storage are unsettled, and not accepted.
    const least = summary === undefined ? sum - unsettled : sum;
    if (has < least || has > sum) {
      wrong(`counts: ${has} accepted or recovered, ${sum} settled, unsettled or kept`);
    }
  }

  #listenEarly(): void {
    const { inherited, wrong } = this.#options;
    this.#processor.on('accepted', ({ id }) => {
      if (inherited.has(id)) wrong(`accepted, though recovered: ${id}`);
      if (!this.#disk.find(id)) wrong(`invariant 9: accepted and not kept: ${id}`);
    });
    this.#processor.on('started', ({ id }) => {
      // The event of an order without steps is raised when its one write has been answered.
      const hasEnded = this.#disk.find(id)?.settledAt !== undefined;
      if (this.isInterrupted && !hasEnded) wrong(`began while interrupted: ${id}`);
    });
  }

  #listen(): void {
    const processor = this.#processor;
    processor.on('completed', ({ orderId }) => this.#settles('completed', orderId, 'completed'));
    processor.on('failed', ({ orderId, code }) => this.#settles('failed', orderId, code));
    processor.on('canceled', ({ orderId, code }) => this.#settles('canceled', orderId, code));
    processor.on('stalled', () => {});
    processor.on('error', () => {
      this.failures += 1;
    });
    processor.on('interrupted', () => this.#turns(true));
    processor.on('restored', () => this.#turns(false));
    processor.on('idle', () => {
      const { unsettled } = processor.stats();
      if (unsettled > 0) this.#options.wrong(`idle with ${unsettled} unsettled`);
    });
  }

  #turns(isInterrupted: boolean): void {
    if (this.isInterrupted === isInterrupted) {
      this.#options.wrong(`interrupted: ${isInterrupted} twice`);
    }
    this.isInterrupted = isInterrupted;
  }

  #settles(name: 'completed' | 'failed' | 'canceled', id = '', code = ''): void {
    const { wrong } = this.#options;
    this.#counts[name] += 1;
    // What was settled before may fail so when it comes again, since only the storage knows it.
    if (code === 'storage_failed' || isGone(this.#disk, id, code)) return;
    const before = this.#outcomes.get(id);
    this.#outcomes.set(id, code);
    if (before !== undefined) wrong(`invariant 3: ${id} came to ${before} and to ${code}`);
    const stored = this.#disk.find(id);
    if (stored?.status === name && (name === 'completed' || stored.code === code)) return;
    wrong(`invariant 10: ${id} came to ${code}, the disk has ${stored?.status}`);
  }
}
