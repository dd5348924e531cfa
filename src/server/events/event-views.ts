import type { EventName, ProcessorEvents } from '../../core/lifecycle/processor-events.ts';
import type { OrderError } from '../../core/order/order-error.ts';
import type { OrderRecord, Receipt } from '../../core/order/outcome.ts';
import { withoutCause } from '../../core/order/step-result.ts';
import { withClientId, withoutBalances } from '../client-ids.ts';

/** Without the payload and the results, which may be long and are not for every reader, and without the cause. */
export function withoutPayload<T extends OrderRecord | Receipt>(
  of: T,
): Omit<T, 'payload' | 'results'> {
  const { payload: _payload, results: _results, ...rest } = of;
  if ('cause' in rest) delete rest.cause;
  return rest;
}

/** What readers see of each event: no payload, no results, and no cause but that of a hold. */
export const views = {
  accepted: withoutPayload<OrderRecord>,
  refused: (error: OrderError) => error,
  started: withoutPayload<OrderRecord>,
  progress: (progressed: ProcessorEvents['progress']) => progressed,
  stepped: ({ step, ...rest }: ProcessorEvents['stepped']) => ({
    ...rest,
    step: withoutCause(step),
  }),
  retried: ({ cause: _cause, ...retried }: ProcessorEvents['retried']) => retried,
  completed: withoutPayload<Receipt>,
  failed: (error: OrderError) => error,
  canceled: (error: OrderError) => error,
  stalled: (stalled: ProcessorEvents['stalled']) => stalled,
  held: (hold: ProcessorEvents['held']) => hold,
  released: (released: ProcessorEvents['released']) => released,
  interrupted: (error: OrderError) => error,
  restored: () => undefined,
  idle: () => undefined,
} satisfies { [E in EventName]?: (payload: never) => unknown };

export type Views = typeof views;

/** Why a lane is held, and that it is, is for operators. */
export const operatorEvents: ReadonlySet<string> = new Set<keyof Views>(['held', 'released']);

/** An event as clients of its user see it: with their ids, and without the balances of other users. */
export function ownView<T extends object>(data: T): T {
  return withClientId(withoutBalances(data, () => false));
}

/**
 * An event as readers see it. `missed`: earlier events are gone. `dropped`: the reader was too slow, and its stream
 * ends.
 */
export type SeenEvent =
  | { [E in keyof Views]: { readonly name: E; readonly data: ReturnType<Views[E]> } }[keyof Views]
  | { readonly name: 'missed' | 'dropped'; readonly data: undefined };

/** Encodes an event for its readers. The id is empty if the event is about the stream itself. */
export type Encode<T> = (event: SeenEvent, id: string) => T;

/** About how many bytes an encoded event takes. */
export type SizeOf<T> = (event: T) => number;
