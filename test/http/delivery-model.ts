/** What the delivery service must answer, derived from the request alone. */
import { expect } from 'vitest';

export interface Delivery {
  readonly order_id: string;
  readonly amount?: number;
  readonly fail_step?: 'payment' | 'vendor' | 'courier';
  readonly delay_ms?: { readonly payment?: number; readonly vendor?: number; courier?: number };
}

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The status, the kind, and what may have become of each step. */
export interface Expected {
  readonly status: number;
  readonly kind: string;
  readonly orderId: string | null;
  readonly steps: readonly (readonly string[])[];
}

const names = ['payment', 'vendor', 'courier'] as const;
const failures = {
  payment: [400, 'payment_declined'],
  vendor: [503, 'vendor_unavailable'],
  courier: [503, 'no_courier'],
} as const;

/** Far longer than a test takes: a step that takes so long does not finish before another fails. */
export const forever = 60_000;

export function outcomeOf(order: Delivery): Expected {
  const { order_id: orderId, amount = 0, fail_step, delay_ms = {} } = order;
  const failing = amount > 0 ? fail_step : 'payment';
  // The step that fails first decides.
  const isOpen = amount <= 0 && fail_step !== undefined && fail_step !== 'payment';
  if (isOpen) throw new Error('Not for the model: two steps fail');
  if (failing === undefined) {
    return { status: 200, kind: 'ok', orderId, steps: names.map(() => ['ok']) };
  }
  const [status, kind] = failures[failing];
  const steps = names.map((name) => {
    if (name === failing) return [`error:${kind}`];
    // All begin at once, but for a courier that has to be waited for.
    const unfinished = name === 'courier' ? ['canceled', 'skipped'] : ['canceled'];
    return delay_ms[name] === forever ? unfinished : ['ok', ...unfinished];
  });
  return { status, kind, orderId, steps };
}

export function refusal(status: number, kind: string, orderId: string | null = null): Expected {
  return { status, kind, orderId, steps: [] };
}

/** Every field of an answer, and none beside them. */
export function checkAnswer({ status, text }: Answer, expected: Expected): void {
  const body = JSON.parse(text);
  const steps = (body.steps as Record<string, unknown>[]).map(
    ({ name, status, duration_ms, detail, ...rest }, at) => {
      expect([name, Number.isInteger(duration_ms), rest]).toEqual([names[at], true, {}]);
      return detail === undefined ? status : `${status}:${detail}`;
    },
  );
  const isFine = steps.every((step, at) => expected.steps[at]?.includes(step as string));
  expect(isFine && steps.length === expected.steps.length, `${text}: not ${expected.steps}`).toBe(
    true,
  );
  const { kind, orderId: order_id } = expected;
  if (kind === 'ok') expect(body).toEqual({ status: 'ok', order_id, steps: body.steps });
  else {
    const message = steps.length > 0 ? 'order failed' : expect.stringMatching(/./);
    const error = { kind, message };
    expect(body).toEqual({ status: 'error', order_id, steps: body.steps, error });
  }
  expect(status).toBe(expected.status);
}
