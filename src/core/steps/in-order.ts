import { checkMethods } from '../runtime/checks.ts';
import type { Step } from './step.ts';
import { stepFields } from './step-plan.ts';

/**
 * Makes each step come after the one before it, beside the steps that it comes after already.
 *
 * @typeParam Payload - the payload's type
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
 */
export function inOrder<Payload = unknown>(...steps: readonly Step<Payload>[]): Step<Payload>[] {
  return steps.map((step, at) => {
    checkMethods(`steps[${at}]`, step, ['run']);
    const earlier = steps[at - 1];
    const { after = [] } = step;
    const all = typeof after === 'string' ? [after] : after;
    // What is no `after` is the constructor's to refuse.
    if (earlier === undefined || !Array.isArray(all)) return step;
    return { ...copyOf(step), after: [...all, earlier.name] };
  });
}

/** An instance of a class has methods in its prototype, which may need its private fields. */
function copyOf<Payload>(step: Step<Payload>): Step<Payload> {
  if (Object.getPrototypeOf(step) === Object.prototype) return step;
  const fields = stepFields.map((field): [string, unknown] => {
    const value: unknown = step[field];
    return [field, typeof value === 'function' ? value.bind(step) : value];
  });
  return Object.fromEntries(fields) as unknown as Step<Payload>;
}
