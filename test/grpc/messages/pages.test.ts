/** A page of orders is a message that every client can take. */
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { type Json, refusalOf, useServers } from '../helpers.ts';

const start = useServers();

/** All records, as a client reads them that takes 4 MiB, and how many were on each page. */
async function readAll(call: (request: Json) => Promise<Json>) {
  const records: Json[] = [];
  const pages: number[] = [];
  let token = '';
  do {
    const { records: page, nextPageToken } = await call({ pageSize: 1_000, pageToken: token });
    records.push(...page);
    pages.push(page.length);
    token = nextPageToken;
  } while (token !== '' && pages.length < 100);
  return { records, pages };
}

/** Small where it is, large as JSON. */
const unfolding = { toJSON: () => 'x'.repeat(2_000_000) };

describe('invariant 6: a page of large orders', () => {
  it.each<[string, unknown]>([
    ['texts', 'x'.repeat(900_000)],
    ['numbers, which take more bytes than in JSON', new Array(60_000).fill(1)],
    ['objects', range(10_000).map((n) => ({ n }))],
    ['what becomes large as JSON', { lines: [unfolding] }],
  ])('ends before 4 MiB: %s', async (_, payload) => {
    const { processor, grpc } = await start();
    for (const at of range(5)) {
      await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1, payload });
    }
    const { records } = await readAll((request) => grpc.call('listOrders', request));
    expect(records.map(({ id }) => id)).toEqual(range(5).map((at) => `o-${4 - at}`));
    expect(records.every((record) => Boolean(record.payload))).toBe(true);
  });

  it('leaves out the payload of an order that no client could take', async () => {
    const { processor, grpc } = await start();
    for (const at of range(3)) {
      const payload = at === 1 ? 'x'.repeat(5_000_000) : at;
      await processor.submit({ id: `o-${at}`, userId: 'u', amount: 1, payload });
    }
    const { records } = await readAll((request) => grpc.call('listOrders', request));
    expect(records.map(({ id }) => id)).toEqual(['o-2', 'o-1', 'o-0']);
    expect(records.map(({ payload }) => Boolean(payload))).toEqual([true, false, true]);
  });

  it('has all orders where they are small', async () => {
    const { processor, grpc } = await start();
    await processor.submitMany(range(1_500).map((at) => ({ userId: `u-${at}`, amount: 1 })));
    const { pages } = await readAll((request) => grpc.call('listOrders', request));
    expect(pages).toEqual([1_000, 500]);
  });
});

describe('ListOrders', () => {
  it('a RangeError of ours is no fault of the client', async () => {
    const { processor, grpc, errors } = await start();
    const error = new RangeError('Invalid string length');
    processor.orders = () => Promise.reject(error);
    const refusal = await refusalOf(grpc.call('listOrders', {}));
    expect(refusal.code).toBe(status.INTERNAL);
    expect(errors).toEqual([error]);
  });

  it('refuses a token that is none', async () => {
    const { grpc } = await start();
    const pageToken = Buffer.from('1700000000000 o-1').toString('base64url');
    const refusal = await refusalOf(grpc.call('listOrders', { pageToken }));
    expect(refusal.code).toBe(status.INVALID_ARGUMENT);
    expect(refusal.details).toContain('page_token');
  });
});
