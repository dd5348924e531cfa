import { isOrderError, OrderError, OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../kit/helpers.ts';
import { order } from '../../kit/schemas.ts';

const broken = new Error('Broken');
const raise = (): never => {
  throw broken;
};

describe('an OrderError', () => {
  it.each([
    'NotSnake',
    '',
    '1st',
    '_a',
    'a-b',
    'a b',
    'a\n',
    'a'.repeat(65),
    undefined,
    null,
    5,
    {},
  ])('with the code %j is a TypeError', (code) => {
    expect(() => new OrderError(code as never, 'No')).toThrow(TypeError);
    expect(() => new OrderError(code as never, 'No')).toThrow('lower snake case');
  });

  it('takes any code that a step may give', () => {
    for (const code of ['a', 'card_declined_2', 'a'.repeat(64)]) {
      expect(new OrderError(code, 'No').code).toBe(code);
    }
  });
});

describe('`isOrderError`', () => {
  const traps = ['getPrototypeOf', 'get', 'has', 'getOwnPropertyDescriptor', 'ownKeys'] as const;
  const hostile = traps.map((trap) => new Proxy(new OrderError('x', 'X'), { [trap]: raise }));
  const throwing = Object.fromEntries(traps.map((trap) => [trap, raise]));
  const revoked = Proxy.revocable({}, {});
  revoked.revoke();

  it('invariant 8: never throws, and says no to what does', () => {
    // What can be asked is one, though it is a proxy.
    const answers = hostile.map(isOrderError);
    expect(answers).toEqual([false, false, true, true, true]);
    expect(isOrderError(new Proxy(new OrderError('x', 'X'), throwing))).toBe(false);
    expect(isOrderError(revoked.proxy)).toBe(false);
  });

  it('invariant 8: nor does an order whose step throws one', async () => {
    for (const thrown of [...hostile, revoked.proxy]) {
      const processor = new OrderProcessor({
        steps: [{ name: 'x', run: () => Promise.reject(thrown) }],
      });
      const error = await errorOf(processor.submit(order('a')));
      expect(error).toMatchObject({ orderId: 'a', steps: [{ status: 'error' }] });
    }
  });
});
