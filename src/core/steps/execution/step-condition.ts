import type { Verdict } from '../../order/decision.ts';
import type { AcceptedOrder } from '../../order/order.ts';
import { asPromise, isThenable } from '../../runtime/awaitable.ts';
import { wrong } from '../../runtime/checks.ts';
import { causeOf, hostFault, wentWrong } from '../../runtime/thrown.ts';
import type { PlannedStep } from '../step-plan.ts';

/** Whether an order needs a step, or why its `when` does not say so. */
export function isNeeded({ name, when }: PlannedStep, order: AcceptedOrder): boolean | Verdict {
  if (when === undefined) return true;
  const title = `\`when\` of step \`${name}\``;
  try {
    const answer = when(order as never);
    if (typeof answer === 'boolean') return answer;
    // A promise would be a silent yes.
    if (isThenable(answer)) asPromise(answer).catch(() => {});
    const form = wrong(TypeError, `the answer of when`, 'a boolean, at once', answer);
    return verdict(`${title} gave no boolean`, form);
  } catch (thrown) {
    return verdict(`${title} threw an error`, causeOf(thrown, title));
  }
}

function verdict(text: string, cause: unknown): Verdict {
  return { code: 'internal', message: wentWrong, cause: hostFault(text, cause) };
}
