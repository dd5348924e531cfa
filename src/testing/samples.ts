import type { StepResult, StepValues } from '../core/order/step-result.ts';

/** Results of steps with all fields that they may have. */
export const someSteps: readonly StepResult[] = Object.freeze([
  { name: 'payment', status: 'compensated', durationMs: 12, attempts: 2 },
  { name: 'Küche "1"', status: 'error', durationMs: 0, attempts: 1, code: 'kitchen_closed' },
  {
    name: 'courier',
    status: 'compensated',
    durationMs: 3,
    attempts: 1,
    compensation: {
      status: 'error',
      durationMs: 7,
      attempts: 3,
      code: 'timeout',
      message: 'No courier there \u{1f6b4}',
      cause: { name: 'TypeError', message: 'fetch failed; caused by Error: "504"' },
    },
  },
  { name: 'mail', status: 'skipped', durationMs: 0, attempts: 0 },
]);

/** What steps have returned, as JSON may have it. */
export const someResults: StepValues = Object.freeze({
  payment: { chargeId: 'c-1', amounts: [1, 2.5, null], note: 'Grüße \u{1f6b4}' },
  'Küche "1"': true,
  courier: null,
  mail: '',
});
