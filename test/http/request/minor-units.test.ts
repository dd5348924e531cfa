import fc from 'fast-check';
import { toMinorUnits } from 'order-processor/http';
import { describe, expect, it } from 'vitest';

const amount = fc
  .record({
    isNegative: fc.boolean(),
    whole: fc.bigInt({ min: 0n, max: 10n ** 16n }),
    fraction: fc.stringMatching(/^\d{0,6}$/),
  })
  .map(({ isNegative, whole, fraction }) => ({
    text: `${isNegative ? '-' : ''}${whole}${fraction === '' ? '' : `.${fraction}`}`,
    isNegative,
    whole,
    fraction,
  }));

it('is what integers give, or refuses what they cannot hold', () => {
  fc.assert(
    fc.property(amount, fc.integer({ min: 0, max: 4 }), (given, decimals) => {
      const { text, isNegative, whole, fraction } = given;
      const significant = fraction.replace(/0+$/, '');
      const units =
        whole * 10n ** BigInt(decimals) + BigInt(fraction.padEnd(decimals, '0').slice(0, decimals));
      const model = isNegative ? -units : units;
      if (significant.length > decimals) {
        expect(() => toMinorUnits(text, decimals)).toThrow(`Expected at most ${decimals} decimals`);
      } else if (units > BigInt(Number.MAX_SAFE_INTEGER)) {
        expect(() => toMinorUnits(text, decimals)).toThrow('within the safe integers');
      } else {
        expect(toMinorUnits(text, decimals)).toBe(Number(model) + 0);
      }
    }),
    { numRuns: 500 },
  );
});

it('any amount of minor units comes back from the number with a point in it', () => {
  fc.assert(
    fc.property(fc.integer({ min: -(10 ** 15), max: 10 ** 15 }), (units) => {
      const digits = `${Math.abs(units)}`.padStart(3, '0');
      const text = `${units < 0 ? '-' : ''}${digits.slice(0, -2)}.${digits.slice(-2)}`;
      expect(toMinorUnits(text)).toBe(units);
      expect(toMinorUnits(Number(text))).toBe(units);
    }),
    { numRuns: 500 },
  );
});

describe('examples', () => {
  it.each([
    [99.99, 9999],
    [0.29, 29],
    [1.15, 115],
    [4.35, 435],
    [1.005e2, 10050],
    ['1e2', 10000],
    ['1E-2', 1],
    ['-0', 0],
    [-0, 0],
    ['0.000', 0],
    ['1.500', 150],
    ['007.10', 710],
    ['90071992547409.91', Number.MAX_SAFE_INTEGER],
  ])('%j is %i', (given, units) => {
    expect(toMinorUnits(given)).toBe(units);
  });

  it.each([
    0.1 + 0.2,
    99.999,
    '0.001',
    '90071992547409.92',
    '1e300',
    '1e999',
    1e21,
    NaN,
    Infinity,
    '',
    ' 1',
    '1 ',
    '1.',
    '.5',
    '+1',
    '1,50',
    '0x10',
    '١',
    '1\n',
    '1e1000',
    null,
    undefined,
    true,
    {},
  ])('%j is refused with 400', (given) => {
    expect(() => toMinorUnits(given as number)).toThrow(
      expect.objectContaining({ status: 400, code: 'bad_request' }),
    );
  });
});

it.each([-1, 5, 0.5, NaN])('`toMinorUnits` refuses %j decimals', (decimals) => {
  expect(() => toMinorUnits('1', decimals)).toThrow(
    new RangeError(`Expected \`decimals\` to be an integer from 0 to 4, got \`${decimals}\``),
  );
});

it.each([[5], ['5'], { toString: () => '5' }])(
  '`toMinorUnits` takes %j for no amount',
  (amount) => {
    expect(() => toMinorUnits(amount as never)).toThrow(expect.objectContaining({ status: 400 }));
  },
);
