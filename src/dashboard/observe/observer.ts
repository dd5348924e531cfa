import { observing } from '../../core/lifecycle/listeners/observing.ts';
import type { EventName, ProcessorEvents } from '../../core/lifecycle/processor-events.ts';
import type { ProcessorStats } from '../../core/lifecycle/stats.ts';
import type { OrderError } from '../../core/order/order-error.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import { unixTimeAt } from '../../core/runtime/clock.ts';
import type { ErrorView, StorageView } from '../api.ts';
import { BoundedListener } from './bounded-listener.ts';
import { FailureCounts } from './failures.ts';
import { Series } from './series.ts';
import { ObservedSteps } from './step-times.ts';

const mostErrors = 50;
const longestMessage = 500;
/** How many ends of steps are looked at in a second: enough for most processors, and bounded for all. */
const mostSteps = 2_000;

type Listeners = { [E in EventName]?: (payload: ProcessorEvents[E]) => void };

/**
 * Keeps what a dashboard shows of the time before it is opened, in memory of a bounded size: what a processor did in each
 * second of the last hour, failures by code, errors, and the times of steps. It changes nothing (invariant 11): it listens
 * as an observer, and reads `stats()` once a second.
 */
export class Observer {
  readonly series: Series;
  readonly failures = new FailureCounts();
  readonly steps: ObservedSteps;
  /** The last one last. */
  readonly #errors: ErrorView[] = [];
  #interruption: { readonly at: number; readonly error: OrderError } | undefined;
  readonly #processor: OrderProcessor;
  readonly #listeners: Listeners;
  readonly #stepped: BoundedListener;
  readonly #tick: NodeJS.Timeout;
  readonly #stopped = new AbortController();

  constructor(processor: OrderProcessor) {
    this.#processor = processor;
    const now = (): number => unixTimeAt(processor);
    this.series = new Series(now);
    this.steps = new ObservedSteps(now);
    this.#listeners = {
      failed: observing((error) => this.failures.add(error, now())),
      retried: observing((retried) => this.steps.retried(retried)),
      error: observing((error) => this.#failed(error)),
      interrupted: observing((error) => {
        this.#interruption = { at: now(), error };
      }),
      restored: observing(() => {
        this.#interruption = undefined;
      }),
      shutdown: observing(() => this.stop()),
    };
    for (const [name, listener] of this.#entries()) processor.on(name, listener);
    this.#stepped = new BoundedListener(processor, mostSteps, {
      stepped: (stepped: ProcessorEvents['stepped']) => this.steps.stepped(stepped),
    });
    this.#stepped.nextTurn();
    this.series.add(processor.stats(), now());
    this.#tick = setInterval(() => {
      this.#stepped.nextTurn();
      this.series.add(processor.stats(), now());
    }, 1_000).unref();
  }

  /** Aborts when it stops, also because the processor has shut down. */
  get stopped(): AbortSignal {
    return this.#stopped.signal;
  }

  /** The last one first. */
  get errors(): readonly ErrorView[] {
    return this.#errors.toReversed();
  }

  storage(state: ProcessorStats['storage']): StorageView {
    if (state !== 'failing' || this.#interruption === undefined) return { state };
    const { at, error } = this.#interruption;
    return { state, since: at, code: error.code, message: textOf(error) };
  }

  stop(): void {
    if (this.stopped.aborted) return;
    clearInterval(this.#tick);
    this.#stepped.stop();
    for (const [name, listener] of this.#entries()) this.#processor.off(name, listener);
    this.#stopped.abort();
  }

  #entries(): [EventName, (payload: unknown) => void][] {
    return Object.entries(this.#listeners) as [EventName, (payload: unknown) => void][];
  }

  #failed(error: OrderError): void {
    const { code, orderId, userId } = error;
    if (this.#errors.length === mostErrors) this.#errors.shift();
    this.#errors.push({
      ...{ at: unixTimeAt(this.#processor), code, message: textOf(error) },
      ...(orderId !== undefined && { orderId }),
      ...(userId !== undefined && { userId }),
    });
  }
}

function textOf({ message, cause }: OrderError): string {
  const behind = cause instanceof Error && cause.message !== '' ? `: ${cause.message}` : '';
  return `${message}${behind}`.slice(0, longestMessage);
}
