import type { AcceptedOrder } from '../order/order.ts';
import { checkFunction, checkMethods } from '../runtime/checks.ts';
import { copyOf } from './in-order.ts';
import type { Step } from './step.ts';

/**
 * A step that only some orders need, as {@link onlyWhen} gives it.
 *
 * @typeParam Payload - the type of the payloads of all orders
 * @typeParam Result - what `run` gives
 * @typeParam Name - its name
 *
 * @category Steps
 */
export interface ConditionalStep<Payload, Result, Name extends string = string>
  extends Step<Payload, Result, Name> {
  /** Whether an order needs the step. */
  readonly when: (order: AcceptedOrder<Payload>) => boolean;
}

/**
 * Makes a step of orders of one kind a step of orders of all kinds: the others skip it. Its functions get the payload with
 * the type of that kind, so they need no `if` and no cast.
 *
 * @typeParam Payload - the type of the payloads of all orders
 * @typeParam Own - the type of the payloads of the step's orders
 * @typeParam Result - what `run` gives
 * @typeParam Name - the step's name
 * @param isOwn - whether an order of this payload needs the step; see {@link Step.when}, which it is asked before, if the
 *   step has one
 * @param step - of orders of that kind
 * @returns a copy of the step with a `when`
 * @throws TypeError for what is no function or no step
 *
 * @example
 * ```ts
 * import { inOrder, onlyWhen, OrderProcessor } from 'order-processor';
 *
 * type Action = { kind: 'top-up'; card: string } | { kind: 'purchase'; item: string };
 *
 * const charge = onlyWhen((action: Action) => action.kind === 'top-up', {
 *   name: 'charge',
 *   run: ({ payload }) => ({ chargeId: `charge of ${payload.card}` }),
 * });
 * const ship = onlyWhen((action: Action) => action.kind === 'purchase', {
 *   name: 'ship',
 *   run: ({ payload }) => console.log('ship', payload.item),
 * });
 *
 * await using processor = new OrderProcessor({ steps: inOrder<Action, [typeof charge, typeof ship]>(charge, ship) });
 * const topUp = { kind: 'top-up', card: 'c-1' } as const;
 * const { results } = await processor.submit({ userId: 'u-1', amount: 1200, payload: topUp });
 * console.log(results.charge?.chargeId); // prints: charge of c-1
 * ```
 *
 * @category Steps
 */
export function onlyWhen<Payload, Own extends Payload, Result, Name extends string>(
  isOwn: (payload: Payload) => payload is Own,
  step: Step<Own, Result, Name>,
): ConditionalStep<Payload, Result, Name> {
  checkFunction('isOwn', isOwn);
  checkMethods('step', step, ['run']);
  const copy = copyOf(step) as Step<Own, Result, Name>;
  const when = (order: AcceptedOrder<Payload>): boolean => {
    const isNeeded: boolean = isOwn(order.payload);
    // What is no boolean fails the order, as the answer of any `when` does.
    if (isNeeded !== true || copy.when === undefined) return isNeeded;
    return copy.when(order as AcceptedOrder<Own>);
  };
  return { ...copy, when } as unknown as ConditionalStep<Payload, Result, Name>;
}
