/** What a body is made of when it is read (invariant 6). */
import { Readable } from 'node:stream';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { joinPieces } from '../../src/server/listening/join-pieces.ts';

function bodyOf(): Readable {
  return new Readable({ read() {}, highWaterMark: 65_536 });
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** The ways of reading a body, each to its end. */
const readers: Record<string, (body: Readable) => Promise<Buffer[]>> = {
  async iterator(body) {
    const got: Buffer[] = [];
    for await (const piece of body) got.push(piece);
    return got;
  },
  'data events': (body) =>
    new Promise((resolve) => {
      const got: Buffer[] = [];
      body.on('data', (piece) => got.push(piece)).on('end', () => resolve(got));
    }),
  async 'a web stream'(body) {
    const got: Buffer[] = [];
    for await (const piece of Readable.toWeb(body)) got.push(Buffer.from(piece as Uint8Array));
    return got;
  },
};

const sizes = fc.array(fc.integer({ min: 1, max: 1_500 }), { minLength: 60, maxLength: 150 });

it.each(Object.keys(readers))(
  'a body has the same bytes in the same order, by %s',
  async (name) => {
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.boolean()), fc.nat(150), async (all, pauses, start) => {
        const body = bodyOf();
        joinPieces(body);
        let got: Promise<Buffer[]> | undefined;
        let next = 0;
        for (const [at, size] of all.entries()) {
          if (at === start) got = readers[name]?.(body);
          body.push(Buffer.from(Array.from({ length: size }, () => next++ % 251)));
          if (pauses[at % pauses.length]) await turn();
        }
        body.push(null);
        got ??= readers[name]?.(body);
        const bytes = Buffer.concat((await got) as Buffer[]);
        // Without `toEqual`, which compares byte by byte.
        const sent = Buffer.from(Array.from({ length: next }, (_, at) => at % 251));
        expect(bytes.equals(sent)).toBe(true);
      }),
      { numRuns: 20 },
    );
  },
);

it('invariant 6: short pieces that nothing has read are one', async () => {
  const body = bodyOf();
  joinPieces(body);
  for (let count = 0; count < 10_000; count += 1) {
    body.push(Buffer.from('x'));
    if (count % 100 === 0) await turn();
  }
  body.push(null);
  const got: Buffer[] = [];
  body.on('data', (piece) => got.push(piece));
  await new Promise((resolve) => body.once('end', resolve));
  expect(got.length).toBeLessThan(70);
  expect(Buffer.concat(got)).toHaveLength(10_000);
});

it('a body is not asked for more when it has as much as a reader should be behind', async () => {
  const body = bodyOf();
  joinPieces(body);
  let wanted = true;
  for (let count = 1; count <= 66; count += 1) wanted = body.push(Buffer.alloc(1_000));
  expect(wanted).toBe(false);
  expect(body.read()).toHaveLength(66_000);
  expect(body.push(Buffer.alloc(10))).toBe(true);
});

it.each([
  [65_537, 3, true],
  [65_536, 3, false],
  [65_537, 4, false],
])('%i pieces of %i bytes are too many: %s', (count, bytes, isTooHigh) => {
  const body = bodyOf();
  const pieces = joinPieces(body);
  for (let at = 0; at < count; at += 1) body.push(Buffer.alloc(bytes));
  expect(pieces.isTooHigh).toBe(isTooHigh);
});
