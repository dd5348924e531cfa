/** Each list of a file looks at a bounded number of rows, with any file and any query. */
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  type ListedOrders,
  Lists,
  mostBlocks,
  mostRows,
} from '../../../src/sqlite/database/lists.ts';
import { type Row, SEQ } from '../../../src/sqlite/database/rows.ts';
import { migrate } from '../../../src/sqlite/database/schema.ts';
import { range } from '../../kit/helpers.ts';
import { newOrder, settlement, useFolder } from '../helpers.ts';

const folder = useFolder();

interface Entry {
  readonly seq: number;
  readonly userId: string;
  readonly status: string;
  readonly acceptedAt: number;
}

const hour = 3_600_000;
const count = 20_000;

/** Nearly all are of one kind; the others are first or last. Every 5 000 orders the clock steps back by an hour. */
const entries: readonly Entry[] = range(count).map((at) => ({
  seq: at + 1,
  userId: at < 3 || at === count - 2 ? 'rare' : 'u',
  status: at % 9_000 === 1 ? 'completed' : at % 9_000 === 2 ? 'pending' : 'failed',
  acceptedAt: 10 * hour + at * 100 - Math.floor(at / 5_000) * hour,
}));

const db = new DatabaseSync(':memory:');
let visited = 0;
let lists: Lists;

beforeAll(() => {
  migrate(db);
  const insert = db.prepare(
    `INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, settled_at, balance, life)
     VALUES (?, ?, 1, 'medium', ?, ?, ?, ?, 1)`,
  );
  db.exec('BEGIN');
  for (const { seq, userId, status, acceptedAt } of entries) {
    const settledAt = status === 'pending' ? null : acceptedAt;
    const balance = status === 'completed' ? 1 : null;
    insert.run(`o-${seq}`, userId, status, acceptedAt, settledAt, balance);
  }
  db.exec('COMMIT');
  db.function('visited', { varargs: true }, () => {
    visited += 1;
    return 1;
  });
  const counted = (sql: string): string => sql.replace('WHERE ', 'WHERE visited(seq) AND ');
  lists = new Lists({ prepare: (sql: string) => db.prepare(counted(sql)) } as DatabaseSync);
});

const all: ListedOrders = {
  userId: null,
  status: null,
  timeFrom: Number.NEGATIVE_INFINITY,
  timeUpTo: Number.POSITIVE_INFINITY,
  before: Number.POSITIVE_INFINITY,
  limit: 1,
  maxBytes: Number.POSITIVE_INFINITY,
};

const times = [
  {},
  { timeFrom: 10 * hour, timeUpTo: 10 * hour + 5_000 },
  { timeFrom: 9 * hour + 600_000 },
  { timeUpTo: 8 * hour },
  { timeUpTo: -1 },
];
const queries = [null, 'u', 'rare', 'nobody'].flatMap((userId) =>
  [null, 'pending', 'completed', 'failed', 'canceled'].flatMap((status) =>
    times.map((time) => ({ userId, status, ...time })),
  ),
);

describe('invariant 6: one step of a list', () => {
  it.each(queries)('looks at few rows, and the steps give all: %j', (query) => {
    const { timeFrom = all.timeFrom, timeUpTo = all.timeUpTo } = query as Partial<ListedOrders>;
    const wanted = entries.filter(
      ({ userId, status, acceptedAt }) =>
        (query.userId === null || query.userId === userId) &&
        (query.status === null || query.status === status) &&
        acceptedAt >= timeFrom &&
        acceptedAt <= timeUpTo,
    );
    for (const limit of [1, 1_000]) {
      const found: number[] = [];
      let { before } = all;
      let steps = 0;
      for (;;) {
        visited = 0;
        steps += 1;
        const next = lists.page({ ...all, ...query, before, limit }, (row: Row) => {
          found.push(row[SEQ]);
        });
        // The window, then its rows, then the blocks: the last row of each, its earliest and its latest time.
        expect(visited).toBeLessThanOrEqual(2 * mostRows + limit + 3 * mostBlocks);
        if (next === undefined) break;
        expect(next).toBeLessThan(before);
        before = next;
        if (limit === 1 && found.length === 20) break;
      }
      const expected = wanted.map(({ seq }) => seq).toReversed();
      expect(found).toEqual(limit === 1 ? expected.slice(0, 20) : expected);
      // Few of them find nothing.
      expect(steps).toBeLessThanOrEqual(found.length / limit + count / mostRows + 3);
    }
  });

  it('looks at no more than it gives, where an index has nothing else', () => {
    for (const query of [
      {},
      { userId: 'rare' },
      { userId: 'u' },
      { userId: 'u', status: 'failed' },
      { status: 'pending' },
      { status: 'failed' },
    ]) {
      visited = 0;
      lists.page({ ...all, ...query, limit: 2 }, () => {});
      expect(visited).toBeLessThanOrEqual(3);
    }
  });
});

describe('a page of a file', () => {
  it('invariant 6: ends by size before it has read more', async () => {
    const storage = await folder.open();
    const payload = 'x'.repeat(300_000);
    await storage.settle(range(20).map((at) => settlement(`o-${at}`, { payload })));
    const ids: string[] = [];
    let before: number | undefined;
    do {
      const page = await storage.list({ limit: 1_000, maxBytes: 1_000_000, before });
      expect(page.orders.length).toBeLessThanOrEqual(4);
      ids.push(...page.orders.map(({ id }) => id));
      before = page.next;
    } while (before !== undefined);
    expect(ids).toEqual(range(20).map((at) => `o-${19 - at}`));
  });
});

describe('rule 13: a sequence', () => {
  it('is not given again, when the last order was deleted', async () => {
    const storage = await folder.open();
    await storage.settle(['a', 'b', 'c'].map((id) => settlement(id)));
    expect(await storage.prune({ settledBefore: 2_000 })).toBe(3);
    await storage.close();
    const again = await folder.open();
    expect(await again.accept([newOrder('d')])).toEqual([{ status: 'accepted', sequence: 4 }]);
    expect(await again.prune({ settledBefore: 5_000 })).toBe(0);
  });

  it('goes on behind a question whether an order could be kept', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.accept([]);
    const [answer] = await storage.accept([newOrder('b')]);
    expect(answer?.status === 'accepted' && answer.sequence).toBeGreaterThan(1);
    expect((await storage.list({ limit: 9 })).orders.map(({ id }) => id)).toEqual(['b', 'a']);
  });
});
