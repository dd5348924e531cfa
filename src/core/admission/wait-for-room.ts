import type { Job, KnownOrder } from '../lifecycle/job.ts';
import { canceled } from '../order/processor-errors.ts';
import type { KnownOrders } from '../queries/known-orders.ts';
import type { RefusalLookups } from '../queries/refusal-lookups.ts';
import { onAbort } from '../runtime/abort.ts';
import { badOptions } from './caller-options.ts';
import type { Capacity, Overflow } from './capacity.ts';

/** How long an order waits for room before the storage is asked for its id, in milliseconds. */
const lookupAfterMs = 10;

/** Why the waiting of an order has ended. */
export type WaitEnd =
  /** There is room, reserved for the order until the call returns. */
  | { readonly status: 'room' }
  | { readonly status: 'refused'; readonly error: unknown }
  /** The storage knows the id, so the order needs no room. */
  | { readonly status: 'known'; readonly known: KnownOrder };

/** What the waiting uses. */
interface Sources {
  readonly capacity: Capacity;
  readonly known: KnownOrders;
  /** Where the storage keeps orders. */
  readonly refusals: RefusalLookups | undefined;
}

/**
 * Lets an order wait for room.
 *
 * @param proceed - called once, at the end of the waiting; must not throw
 * @returns resolves with the result of `proceed`
 */
export function waitForRoom(
  job: Job,
  { overflow, signal }: { readonly overflow: Overflow; readonly signal?: AbortSignal | undefined },
  { capacity, known, refusals }: Sources,
  proceed: (end: WaitEnd) => Promise<void> | undefined,
): Promise<void> {
  return new Promise((resolve) => {
    let hasEnded = false;
    let stopListening: (() => void) | undefined;
    let timer: NodeJS.Timeout | undefined;
    const end = (how: WaitEnd): void => {
      hasEnded = true;
      stopListening?.();
      clearTimeout(timer);
      resolve(proceed(how));
    };
    const refuse = (error: unknown): void => end({ status: 'refused', error });
    let leave = (): boolean => false;
    if (signal !== undefined) {
      try {
        stopListening = onAbort(signal, () => {
          if (leave()) refuse(canceled(job, signal));
        });
      } catch (cause) {
        return refuse(badOptions(cause));
      }
    }
    leave = capacity.wait(job, overflow, refuse, () => end({ status: 'room' }));
    if (hasEnded || refusals?.mayAsk(job) !== true) return;
    const lookUp = async (): Promise<void> => {
      if (!refusals.mayAsk(job)) return;
      try {
        const stored = await refusals.ask(job);
        if (hasEnded) return;
        const found = known.findStored(job, stored);
        if (found.status !== 'unknown' && leave()) end({ status: 'known', known: found });
      } catch (conflict) {
        if (leave()) refuse(conflict);
      }
    };
    // Asks after a moment, since most orders wait for less.
    timer = setTimeout(lookUp, lookupAfterMs);
  });
}
