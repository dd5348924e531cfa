import type { RememberedSteps } from '../durability/remembered-steps.ts';
import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import { nothingToDo } from '../order/decision.ts';
import type { OrderError } from '../order/order-error.ts';
import type { Settler } from '../settlement/settler.ts';
import type { Acceptance } from './acceptance.ts';
import type { Dispatcher } from './dispatcher.ts';

/** What `Interruption` needs of others. */
interface Sources {
  readonly acceptance: Acceptance;
  readonly dispatcher: Dispatcher;
  readonly lifecycle: Lifecycle;
  readonly settler: Settler;
  readonly remembered: RememberedSteps | undefined;
}

/** Stops processing while the storage fails. */
export class Interruption {
  readonly #sources: Sources;

  constructor(sources: Sources) {
    this.#sources = sources;
  }

  /** The storage takes nothing now: no order begins, and decided orders wait. */
  interrupted(error: OrderError): void {
    const { acceptance, dispatcher, lifecycle, settler } = this.#sources;
    dispatcher.isHalted = true;
    settler.hold(error);
    // An order that its settlement was to accept cannot wait for the storage.
    for (const job of dispatcher.queue.waiting()) {
      if (lifecycle.isAccepted(job) || !dispatcher.drop(job)) continue;
      acceptance.settling(job);
      settler.add(job, nothingToDo, undefined);
    }
    settler.flush();
    lifecycle.events.notify.interrupted?.(error);
  }

  /** The storage works again. */
  restored(): void {
    const { acceptance, dispatcher, lifecycle, remembered, settler } = this.#sources;
    dispatcher.isHalted = acceptance.isLeaving;
    settler.release();
    remembered?.release();
    dispatcher.wake(dispatcher.queue.size);
    lifecycle.events.notify.restored?.(undefined);
  }
}
