import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Line, LineParser } from '../../../src/http/request/json-lines.ts';

const limit = 64;
const encoder = new TextEncoder();

/** Lines of all kinds, as bytes without their ends. */
const line = fc.oneof(
  { weight: 4, arbitrary: fc.json({ maxDepth: 1 }).map((text) => encoder.encode(text)) },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom('{"é":"😀"}', '7', '"a"', '"__proto__"')
      .map((text) => encoder.encode(text)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('', ' ', '\r', '\t\r').map((text) => encoder.encode(text)),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom('{', 'x', '{"__proto__":1}').map((text) => encoder.encode(text)),
  },
  {
    weight: 1,
    arbitrary: fc
      .constantFrom([0xff], [0x22, 0xc3, 0x22], [0xed, 0xa0, 0x80])
      .map((bytes) => Uint8Array.from(bytes)),
  },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: limit - 3, max: limit + 9 })
      .map((n) => encoder.encode(`"${'a'.repeat(n - 2)}"`)),
  },
);

/** What a line gives, in terms that can be compared. */
function seen(parsed: Line): unknown {
  return 'error' in parsed ? `${parsed.error.status} ${parsed.error.code}` : parsed.value;
}

function parse(chunks: readonly Uint8Array[], limitBytes = limit): unknown[] {
  const parser = new LineParser(limitBytes);
  const lines = chunks.flatMap((chunk) => parser.push(chunk));
  return [...lines, ...parser.end()].map(seen);
}

/** One line after the other, in the simplest way. */
function model(lines: readonly Uint8Array[]): unknown[] {
  return lines.flatMap((bytes) => {
    if (bytes.byteLength > limit) return ['413 content_too_large'];
    const text = Buffer.from(bytes).toString();
    if (text.trim() === '') return [];
    const isUtf8 = Buffer.from(text).equals(bytes);
    try {
      const keys: string[] = [];
      const value = JSON.parse(text, (key, each) => {
        keys.push(key);
        return each;
      });
      return [isUtf8 && !keys.includes('__proto__') ? value : '400 bad_request'];
    } catch {
      return ['400 bad_request'];
    }
  });
}

function join(lines: readonly Uint8Array[], end: string): Uint8Array {
  const parts = lines.flatMap((bytes) => [bytes, encoder.encode(end)]);
  return Buffer.concat(parts);
}

describe('LineParser', () => {
  it('any chunks of any lines give the same lines', () => {
    fc.assert(
      fc.property(
        fc.array(line, { maxLength: 12 }),
        fc.array(fc.nat(400), { maxLength: 12 }),
        fc.boolean(),
        (lines, cuts, isEnded) => {
          const whole = join(lines, '\n');
          const bytes = isEnded ? whole : whole.subarray(0, -1);
          const at = [...new Set([0, ...cuts, bytes.byteLength])]
            .filter((cut) => cut <= bytes.byteLength)
            .sort((a, b) => a - b);
          const chunks = at.map((from, index) => bytes.subarray(from, at[index + 1]));
          expect(parse(chunks)).toEqual(model(lines));
        },
      ),
      { numRuns: 400 },
    );
  });

  it('byte by byte, too', () => {
    fc.assert(
      fc.property(fc.array(line, { maxLength: 6 }), (lines) => {
        const bytes = join(lines, '\n');
        expect(parse(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(model(lines));
      }),
    );
  });

  it('lines may end with CRLF', () => {
    const values = [{ a: 1 }, 'x', [null]];
    const text = values.map((value) => `${JSON.stringify(value)}\r\n`).join('');
    expect(parse([encoder.encode(text)])).toEqual(values);
    expect(parse([encoder.encode(text.trimEnd())])).toEqual(values);
  });

  it('an over-long line is refused once, and the next one is read', () => {
    const parser = new LineParser(8);
    const long = new Uint8Array(1_000).fill(0x31);
    for (let n = 0; n < 100; n += 1) expect(parser.push(long)).toEqual([]);
    expect(parser.push(encoder.encode('1\n7\n')).map(seen)).toEqual(['413 content_too_large', 7]);
    expect(parser.end()).toEqual([]);
  });

  it('a line of the limit is read', () => {
    const text = `"${'a'.repeat(6)}"`;
    expect(parse([encoder.encode(`${text}\n${text}\n${text}`)], 8)).toEqual([
      'aaaaaa',
      'aaaaaa',
      'aaaaaa',
    ]);
    expect(parse([encoder.encode(`1\n${text}1\n2\n`)], 8)).toEqual([1, '413 content_too_large', 2]);
  });

  it('what is no UTF-8 spoils its own line only', () => {
    const bytes = Buffer.concat([
      encoder.encode('1\n"'),
      Buffer.of(0xff),
      encoder.encode('"\n3\n'),
    ]);
    expect(parse([bytes])).toEqual([1, '400 bad_request', 3]);
  });
});

it('a byte order mark means the same wherever a batch is cut into chunks', () => {
  const bytes = new TextEncoder().encode('\ufeff1\n\ufeff2\n\ufeff3\n\ufeff4');
  for (let at = 0; at <= bytes.length; at += 1) {
    const parser = new LineParser(100);
    const chunks = [bytes.subarray(0, at), bytes.subarray(at)];
    const lines = [...chunks.flatMap((chunk) => parser.push(chunk)), ...parser.end()];
    expect(lines).toEqual([1, 2, 3, 4].map((value) => ({ value })));
  }
});
