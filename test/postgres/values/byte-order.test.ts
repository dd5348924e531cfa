import fc from 'fast-check';
import { expect, it } from 'vitest';
import { sortByBytes } from '../../../src/postgres/values/byte-order.ts';

it('sorts texts by the bytes of their UTF-8', () => {
  const near = fc.constantFrom(
    '',
    'a',
    '~',
    '\u00e9',
    '\ud7ff',
    '\ue000',
    '\uf8ff',
    '\uffff',
    '\u{10000}',
    '\u{10ffff}',
  );
  const text = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 4 }),
    fc.array(near, { maxLength: 4 }).map((parts) => parts.join('')),
  );
  fc.assert(
    fc.property(fc.array(text), (texts) => {
      const byBytes = [...texts].sort((one, other) =>
        Buffer.compare(Buffer.from(one), Buffer.from(other)),
      );
      expect(sortByBytes([...texts])).toEqual(byBytes);
    }),
    { numRuns: 300 },
  );
});
