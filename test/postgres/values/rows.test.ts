import { describe, expect, it } from 'vitest';
import type { NewOrder } from '../../../src/core/order/stored-order.ts';
import {
  type UnreadableOrder,
  UnreadableOrders,
} from '../../../src/core/storage/reading/unreadable-orders.ts';
import { acceptedColumnsOf } from '../../../src/postgres/values/accepted-columns.ts';
import { type OrderRow, orderOf, ordersOf } from '../../../src/postgres/values/rows.ts';

function newOrder(fields: Partial<NewOrder> = {}): NewOrder {
  const order = { id: 'o-1', userId: 'u', amount: 100, priority: 'medium', acceptedAt: 5 } as const;
  const payload = fields.payload;
  return { ...order, payload, content: payload, labels: [], postings: [], ...fields };
}

/** The row of an order that was just accepted. */
function rowOf(order: NewOrder, beside: Partial<OrderRow> = {}): OrderRow {
  const columns = acceptedColumnsOf(order, 64);
  return {
    ...columns,
    seq: 7,
    user_id: columns.userId,
    accepted_at: columns.acceptedAt,
    retry_of: columns.retryOf,
    not_before: columns.notBefore,
    expires_at: columns.expiresAt,
    losses: 0,
    decided: null,
    compensations: null,
    remembered: null,
    ...beside,
  };
}

/** As PostgreSQL answers a number beyond the safe integers. */
const beyond = (2n ** 60n) as unknown as number;

describe('orderOf', () => {
  it.each([
    { payload: undefined },
    { payload: null },
    { payload: { text: 'nul \0, mark \uF8FF, quote "' } },
    { payload: 1, content: undefined },
    { payload: undefined, content: null },
    { payload: [1], content: [1] },
    { labels: ['a', '\0'], priority: 'high' as const },
    { postings: [{ userId: '\0', amount: 3 }] },
    { id: 'a\0b\uF8FF0', userId: '\uF8FF' },
    { notBefore: 0, expiresAt: 9 },
    { retryOf: 'o\0' },
    { amount: Number.MIN_SAFE_INTEGER, acceptedAt: Number.MAX_SAFE_INTEGER },
  ])('gives an accepted order as it was kept: %j', (fields) => {
    const order = newOrder(fields);
    const stored = orderOf(rowOf(order));
    const postings = order.postings.map((posting) => ({
      ...posting,
      orderedAmount: posting.amount,
      balance: undefined,
    }));
    expect(stored).toMatchObject({
      ...order,
      postings,
      status: 'pending',
      attempt: 1,
      sequence: 7,
    });
    expect(Object.keys(stored).includes('notBefore')).toBe('notBefore' in fields);
    expect('retryOf' in stored).toBe('retryOf' in fields);
    expect('retriedAs' in stored).toBe(false);
    expect('compensations' in stored).toBe(false);
  });

  it('gives what was settled, with the balance after each posting', () => {
    const order = newOrder({
      postings: [
        { userId: 'v', amount: 3 },
        { userId: 'w', amount: 4 },
      ],
    });
    const settled = { status: 1, settlement: 1024, started_at: 6, settled_at: 7, balance: 50 };
    const row = rowOf(order, { ...settled, losses: null, settled_amount: 40, balances: '{8,-9}' });
    const postings = [
      { userId: 'v', amount: 3, orderedAmount: 3, balance: 8 },
      { userId: 'w', amount: 4, orderedAmount: 4, balance: -9 },
    ];
    expect(orderOf(row)).toMatchObject({
      status: 'completed',
      amount: 40,
      orderedAmount: 100,
      postings,
    });
    const lowered = { settled_postings: '[{"userId":"v","amount":1},{"userId":"w","amount":0}]' };
    expect(orderOf({ ...row, ...lowered }).postings).toEqual([
      { userId: 'v', amount: 1, orderedAmount: 3, balance: 8 },
      { userId: 'w', amount: 0, orderedAmount: 4, balance: -9 },
    ]);
  });

  it('counts an attempt for each time that the partition was lost', () => {
    expect(orderOf(rowOf(newOrder(), { losses: 2 })).attempt).toBe(3);
  });

  it.each<Partial<OrderRow>>([
    { amount: beyond },
    { settled_at: beyond },
    { priority: 3 },
    { status: 4 },
    { payload: '{' },
    { content: '{}' },
    { labels: '[1]' },
    { postings: '[{"userId":1}]' },
    { postings: '[{"userId":"v","amount":1}]', balances: '{1,2}' },
    { postings: '[{"userId":"v","amount":1}]', balances: '{NULL}' },
    { decided: 'null' },
    { remembered: '[1]' },
    { compensations: '1' },
    { cause: '[]' },
    { steps: '{}' },
    { results: '[]' },
  ])('says whose row cannot be read, and gives the others of a page: %o', (wrong) => {
    const rows = ['a', 'b\0', 'c'].map((id) => rowOf(newOrder({ id })));
    const unreadable: UnreadableOrder[] = [];
    const page = [rows[0], { ...rows[1], ...wrong }, rows[2]] as OrderRow[];
    expect(ordersOf(page, (error) => unreadable.push(error)).map(({ id }) => id)).toEqual([
      'a',
      'c',
    ]);
    expect(unreadable.map(({ id }) => id)).toEqual(['b\0']);
    expect(unreadable[0]?.message).toMatch(/^The order "b\\u0000" cannot be read: /);
  });
});

describe('UnreadableOrders', () => {
  it('warns once for each order', async () => {
    const warnings: Error[] = [];
    const take = (warning: Error): void => void warnings.push(warning);
    process.on('warning', take);
    const unreadable = new UnreadableOrders('the schema "op"');
    const row = rowOf(newOrder(), { payload: '{' });
    for (const _ of [1, 2]) ordersOf([row], unreadable.report);
    await new Promise(setImmediate);
    process.off('warning', take);
    expect(warnings.map(({ message }) => message)).toEqual([
      'The order "o-1" cannot be read: its payload is no JSON; it is left out of lists. `check()` of the schema "op" finds all',
    ]);
  });
});
