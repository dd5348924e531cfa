import type { Step } from '../../../src/index.ts';

/** A little work; and an order whose payload says so never ends, in spite of its signal. */
export const steps: Step[] = [
  {
    name: 'work',
    run: ({ payload }) =>
      payload === 'forever'
        ? new Promise(() => {})
        : new Promise((resolve) => setTimeout(resolve, 2)),
  },
];
