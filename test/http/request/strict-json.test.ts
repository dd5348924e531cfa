import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseStrictly } from '../../../src/http/request/strict-json.ts';

/** How a property's name may be written in JSON: each character as it is, or escaped. */
const written = (text: string) =>
  fc
    .tuple(
      ...[...text].map((character) =>
        fc.constantFrom('plain', 'lower', 'upper').map((how) => {
          if (how === 'plain') return character;
          const hex = character.charCodeAt(0).toString(16).padStart(4, '0');
          return `\\u${how === 'upper' ? hex.toUpperCase() : hex}`;
        }),
      ),
    )
    .map((characters) => `"${characters.join('')}"`);

const isPrototypeTrick = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(value)) return value.some(isPrototypeTrick);
  return Object.entries(value).some(
    ([key, inner]) =>
      key === '__proto__' ||
      (key === 'constructor' &&
        typeof inner === 'object' &&
        inner !== null &&
        Object.hasOwn(inner, 'prototype')) ||
      isPrototypeTrick(inner),
  );
};

describe('one JSON value', () => {
  it('any of them comes as it was sent', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), fc.constantFrom(undefined, 2), (value, indent) => {
        fc.pre(!isPrototypeTrick(value));
        const text = JSON.stringify(value, undefined, indent);
        expect(parseStrictly(text)).toEqual(JSON.parse(text));
        expect(parseStrictly(` \n\t${text}\r `)).toEqual(JSON.parse(text));
      }),
    );
  });

  it('any text is parsed as JSON.parse does, or refused with 400', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.json().map((text) => `${text}x`),
          fc.json().map((text) => text.slice(1)),
        ),
        (text) => {
          let expected: unknown;
          try {
            expected = JSON.parse(text);
          } catch {
            expect(() => parseStrictly(text)).toThrow(expect.objectContaining({ status: 400 }));
            return;
          }
          fc.pre(!isPrototypeTrick(expected));
          expect(parseStrictly(text)).toEqual(expected);
        },
      ),
    );
  });

  it.each(['', ' ', '{} {}', '1 2', '{}x', 'undefined', "{'a':1}", '{"a":1,}', 'NaN', '[1,]'])(
    '%j is none',
    (text) => {
      expect(() => parseStrictly(text)).toThrow(/^Expected one JSON value: /);
    },
  );
});

describe('keys', () => {
  /** Text of JSON in which keys may stand twice, and whether they do. */
  const { value } = fc.letrec<{ value: { text: string; isTwice: boolean } }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('1', '"a:{\\""', 'null', '":"').map((text) => ({ text, isTwice: false })),
      fc.array(tie('value'), { maxLength: 3 }).map((items) => ({
        text: `[${items.map(({ text }) => text).join(' ,')}]`,
        isTwice: items.some(({ isTwice }) => isTwice),
      })),
      fc
        // Not `"` and `\\` alone: `JSON.parse` of Node 24 takes the one for the other where objects have had both.
        .array(fc.tuple(fc.constantFrom('a', 'b', 'a"', 'b\\', ':', ''), tie('value')), {
          maxLength: 4,
        })
        .map((entries) => ({
          text: `{${entries.map(([key, { text }]) => `${JSON.stringify(key)} : ${text}`).join(',')}}`,
          isTwice:
            new Set(entries.map(([key]) => key)).size < entries.length ||
            entries.some(([, { isTwice }]) => isTwice),
        })),
    ),
  }));

  it('stand once in each object, or are refused (invariant 5)', () => {
    fc.assert(
      fc.property(value, ({ text, isTwice }) => {
        if (isTwice)
          expect(() => parseStrictly(text)).toThrow('Expected each key of an object once');
        else expect(parseStrictly(text)).toEqual(JSON.parse(text));
      }),
    );
  });
});

it('a key that stands twice behind a long string is refused with 400 as well', () => {
  const long = 'x'.repeat(16_000_000);
  expect(() => parseStrictly(`{"a":"${long}","b":1,"b":2}`)).toThrow(
    expect.objectContaining({ status: 400 }),
  );
});

describe('numbers', () => {
  it('any double comes as it was sent, in each way of writing it', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (number) => {
        fc.pre(!Object.is(number, -0));
        for (const text of [String(number), number.toExponential(), `${number}`.toUpperCase()]) {
          const json = text.replace('E+', 'e+').replace('E-', 'E-');
          expect(parseStrictly(json)).toBe(number);
        }
      }),
    );
  });

  it('an integer comes as it was sent, or is refused', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: -(2n ** 69n), max: 2n ** 69n }), (integer) => {
        const number = Number(integer);
        // What would be sent back must have the same digits.
        if (BigInt(String(number)) === integer)
          expect(parseStrictly(`[${integer}]`)).toEqual([number]);
        else expect(() => parseStrictly(`[${integer}]`)).toThrow('hold exactly');
      }),
    );
  });

  it.each([
    '9007199254740993',
    '0.1000000000000000055511151231257827',
    '1e400',
    '-1e400',
    '1e-400',
    '123456789012345678901234567890',
    '4.35000000000000000001',
  ])('%s loses digits', (text) => {
    expect(() => parseStrictly(`{"a":${text}}`)).toThrow(
      'Expected numbers that JavaScript can hold',
    );
  });

  it.each([
    ['9007199254740991', 9007199254740991],
    ['1.50000000000000000000', 1.5],
    ['1e2', 100],
    ['0e0', 0],
    ['0.00000000000000000000', 0],
    ['100000000000000000000000', 1e23],
    ['"9007199254740993"', '9007199254740993'],
  ])('%s does not', (text, value) => {
    expect(parseStrictly(text)).toBe(value);
  });
});

describe('prototypes', () => {
  it('`__proto__` is no key, however it is written and wherever it stands', () => {
    fc.assert(
      fc.property(written('__proto__'), fc.json({ maxDepth: 1 }), (key, value) => {
        const object = `{"a":1,${key}:${value}}`;
        for (const text of [object, `[${object}]`, `{"b":{"c":[${object}]}}`]) {
          expect(() => parseStrictly(text)).toThrow('The key `__proto__` is not allowed');
        }
      }),
    );
  });

  it('`constructor` is none with a `prototype` in it', () => {
    fc.assert(
      fc.property(written('constructor'), written('prototype'), (outer, inner) => {
        const text = `{"a":[{${outer}:{${inner}:{"isAdmin":true}}}]}`;
        expect(() => parseStrictly(text)).toThrow('The key `constructor` is not allowed');
      }),
    );
  });

  it('both may be said', () => {
    fc.assert(
      fc.property(written('__proto__'), (text) => {
        expect(parseStrictly(`{"a":${text},"b":[${text}]}`)).toEqual({
          a: '__proto__',
          b: ['__proto__'],
        });
      }),
    );
    expect(parseStrictly('{"constructor":"prototype"}')).toEqual({ constructor: 'prototype' });
    expect(parseStrictly('{"constructor":{"name":1}}')).toEqual({ constructor: { name: 1 } });
    expect(parseStrictly('["__proto__"]')).toEqual(['__proto__']);
  });
});
