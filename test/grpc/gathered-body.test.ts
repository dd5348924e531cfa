import fc from 'fast-check';
import { expect, it } from 'vitest';
import { gathered } from '../../src/grpc/gathered-body.ts';

const few = { isTooHigh: false };

function enveloped(message: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(message.byteLength, 1);
  return Buffer.concat([prefix, message]);
}

async function* cut(bytes: Uint8Array, lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.byteLength; n += 1) {
    const end = at + (lengths[n % lengths.length] as number);
    yield bytes.subarray(at, end);
    at = end;
  }
}

const lengths = fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 8 });

it('each message is handed on with the piece that ends it, with pieces of any size', async () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 50 }), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(messages, lengths, async (all, sizes) => {
      const bytes = Buffer.concat(all.map(enveloped));
      let sent = 0;
      let ends = 0;
      const source = (async function* () {
        for await (const piece of cut(bytes, sizes)) {
          sent += piece.byteLength;
          yield piece;
        }
      })();
      const got: Uint8Array[] = [];
      for await (const piece of gathered(source, true, few)) {
        got.push(piece);
        ends += 1;
        // Nothing that has come is held back when a message is whole.
        expect(Buffer.concat(got)).toEqual(bytes.subarray(0, sent));
      }
      expect(Buffer.concat(got)).toEqual(bytes);
      expect(ends).toBeLessThanOrEqual(all.length);
    }),
  );
});

it('a message that is long, or a body that is none of messages, comes in few pieces (invariant 6)', async () => {
  const bytes = Buffer.alloc(100_000, 'x');
  for (const isEnveloped of [true, false]) {
    const body = isEnveloped ? enveloped(bytes) : bytes;
    const got: Uint8Array[] = [];
    for await (const piece of gathered(cut(body, [1]), isEnveloped, few)) got.push(piece);
    expect(got.length).toBeLessThan(10);
    expect(Buffer.concat(got)).toEqual(body);
  }
});
