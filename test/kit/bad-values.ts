import { expect } from 'vitest';

/** Something that an option can't be, with the error it causes and how that shows it. */
export type Bad = readonly [value: unknown, kind: ErrorConstructor, shown: string];

/** What is no integer from 1 up. */
export const noCounts: readonly Bad[] = [
  [0, RangeError, '0'],
  [-1, RangeError, '-1'],
  [1.5, RangeError, '1.5'],
  [Number.NaN, RangeError, 'NaN'],
  [Number.POSITIVE_INFINITY, RangeError, 'Infinity'],
  [2 ** 53, RangeError, '9007199254740992'],
  ['1', TypeError, '"1"'],
  [1n, TypeError, '1n'],
  [true, TypeError, 'true'],
  [null, TypeError, 'null'],
  [{}, TypeError, '{}'],
  [Object.create(null), TypeError, '[Object: null prototype] {}'],
  [Symbol('one'), TypeError, 'Symbol(one)'],
];

export const noTimeouts: readonly Bad[] = [...noCounts, [2_147_483_648, RangeError, '2147483648']];

/** Exactly this error, message and all. */
export function expectThrows(call: () => unknown, kind: ErrorConstructor, message: string): void {
  let thrown: unknown;
  try {
    call();
  } catch (error) {
    thrown = error;
  }
  expect(thrown).toBeInstanceOf(kind);
  expect((thrown as Error).message).toBe(message);
}
