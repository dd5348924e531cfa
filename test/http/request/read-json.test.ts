import { OrderProcessor } from 'order-processor';
import { HttpError, readJson, toMinorUnits } from 'order-processor/http';
import { expect, it } from 'vitest';
import * as z from 'zod';

const schema = z.strictObject({
  id: z.string(),
  amounts: z.array(z.number().transform((amount) => toMinorUnits(amount))).default([]),
});

function requestOf(value: unknown): Request {
  const headers = { 'content-type': 'application/json' };
  return new Request('http://x/', { method: 'POST', headers, body: JSON.stringify(value) });
}

it('gives what the schema makes of the value, and of the type that it makes', async () => {
  const { id, amounts } = await readJson(requestOf({ id: 'a', amounts: [99.99, 7] }), { schema });
  const units: number[] = amounts;
  expect([id, units]).toEqual(['a', [9_999, 700]]);
  expect(await readJson(requestOf({ id: 'a' }), { schema })).toEqual({ id: 'a', amounts: [] });
  expect(await readJson(requestOf({ any: 'thing' }))).toEqual({ any: 'thing' });
});

it('refuses what does not fit the schema, each issue with its place', async () => {
  const error = await readJson(requestOf({ amounts: [1, '2'], tip: 1 }), { schema }).catch(
    (e) => e,
  );
  expect(error).toBeInstanceOf(HttpError);
  expect(error).toMatchObject({ status: 400, code: 'bad_request' });
  expect(error.issues.map(({ path }: { path: string }) => path)).toEqual(['id', 'amounts[1]', '']);
});

it('rejects with what the schema throws, so that it may have an answer of its own', async () => {
  const reading = readJson(requestOf({ id: 'a', amounts: [0.125] }), { schema });
  await expect(reading).rejects.toMatchObject({
    code: 'bad_request',
    message: 'Expected at most 2 decimals, got `0.125`',
  });
});

it('checks that the schema is one of Zod', async () => {
  for (const other of [null, {}, new OrderProcessor()]) {
    const options = { schema: other as unknown as typeof schema };
    await expect(readJson(requestOf({}), options)).rejects.toThrow(/^Expected `schema/);
  }
});
