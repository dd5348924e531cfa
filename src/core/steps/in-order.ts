import type { StepValues } from '../order/step-result.ts';
import { checkMethods } from '../runtime/checks.ts';
import type { Step } from './step.ts';
import { stepFields } from './step-plan.ts';

/**
 * Steps with the types of the payload that they take and of what they return by name, as {@link inOrder} gives them.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Results - what the steps return, by name
 *
 * @category Steps
 */
export interface TypedSteps<Payload, Results> {
  /** For the compiler alone: nothing is there. */
  readonly '~types': (payload: Payload) => Results;
}

/**
 * What steps return, by name; anything where the compiler does not know all of their names. A step with a `when` may
 * return nothing.
 *
 * @typeParam Steps - the steps
 *
 * @category Steps
 */
export type ResultsOf<Steps extends readonly Step<never>[]> = string extends Steps[number]['name']
  ? StepValues
  : {
      readonly [Each in Steps[number] as Each['name']]:
        | Awaited<ReturnType<Each['run']>>
        | (undefined extends Each['when'] ? never : undefined);
    };

/**
 * Makes each step come after the one before it, beside the steps that it comes after already.
 *
 * A processor of these steps alone has their results typed, if the compiler knows their names: they stand here as literals,
 * or their types say so, as of a `Step<unknown, Charge, 'pay'>`. Such a type does not say whether there is a `when`: then
 * let it be a `Step<unknown, Charge | undefined, 'pay'>`, or make it by {@link onlyWhen}, whose type says so.
 *
 * @typeParam Payload - the payload's type
 * @typeParam Steps - the steps, as they are given
 * @param steps - in their order
 * @returns the steps, those after the first as copies, to be given as `steps`, among others maybe
 * @throws TypeError for what is no step
 *
 * @example
 * ```ts
 * import { inOrder, OrderProcessor } from 'order-processor';
 *
 * const log = (text: string) => ({ name: text, run: () => console.log(text) });
 * await using processor = new OrderProcessor({ steps: inOrder(log('reserve'), log('pay'), log('ship')) });
 * await processor.submit({ userId: 'u-1', amount: 1200 });
 * // prints: reserve
 * // prints: pay
 * // prints: ship
 * ```
 *
 * @example
 * ```ts
 * import { inOrder, OrderProcessor } from 'order-processor';
 *
 * await using processor = new OrderProcessor({
 *   steps: inOrder(
 *     { name: 'reserve', run: () => ({ tableId: 't-7' }) },
 *     { name: 'pay', run: async () => ({ chargeId: 'c-1' }) },
 *   ),
 * });
 * const { results } = await processor.submit({ userId: 'u-1', amount: 1200 });
 * console.log(results.reserve.tableId, results.pay.chargeId); // prints: t-7 c-1
 * ```
 *
 * @category Steps
 */
export function inOrder<
  Payload = unknown,
  const Steps extends readonly Step<Payload>[] = readonly Step<Payload>[],
>(
  ...steps: Steps & readonly Step<Payload>[]
): Step<Payload>[] & TypedSteps<Payload, ResultsOf<Steps>> {
  const ordered = (steps as readonly Step<Payload>[]).map((step, at) => {
    checkMethods(`steps[${at}]`, step, ['run']);
    const earlier = steps[at - 1];
    const { after = [] } = step;
    const all = typeof after === 'string' ? [after] : after;
    // What is no `after` is the constructor's to refuse.
    if (earlier === undefined || !Array.isArray(all)) return step;
    return { ...copyOf(step), after: [...all, earlier.name] };
  });
  return ordered as Step<Payload>[] & TypedSteps<Payload, ResultsOf<Steps>>;
}

/** An instance of a class has methods in its prototype, which may need its private fields. */
export function copyOf<S extends Step<never>>(step: S): S {
  if (Object.getPrototypeOf(step) === Object.prototype) return step;
  const fields = stepFields.map((field): [string, unknown] => {
    const value: unknown = step[field];
    return [field, typeof value === 'function' ? value.bind(step) : value];
  });
  return Object.fromEntries(fields) as unknown as S;
}
