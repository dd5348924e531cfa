/** Each guard of the order in which orders are given, by reads whose answers come when the test says so. */
import { beforeEach, describe, expect, it } from 'vitest';
import {
  type AcceptNote,
  listNotes,
  parseAcceptNote,
} from '../../../src/postgres/notes/accept-note.ts';
import { OrderReader } from '../../../src/postgres/notes/order-reader.ts';
import type { ReadBounds } from '../../../src/postgres/notes/read-bounds.ts';
import { FakeRead, orderOf, pageOf, rowOf } from './fake-read.ts';

const partition = { number: 0 };
let fake: FakeRead;
let reader: OrderReader;
let canceled: string[];

async function begin(bounds: Partial<ReadBounds> = {}): Promise<void> {
  fake = new FakeRead();
  canceled = [];
  const listener = {
    wake: () => {},
    cancel: (id: string) => void canceled.push(id),
    takeUnreadable: () => {},
  };
  reader = new OrderReader(fake.life, listener, bounds);
  reader.gain(partition);
  // Whether delayed orders are due.
  await reader.read();
}

beforeEach(() => begin());

function note(text: string): AcceptNote {
  return parseAcceptNote(text) as AcceptNote;
}

/** An own call of one order is answered; the processor owned these partitions then. */
function accepted(sequence: number, owned: string | null = '1'): void {
  reader.accepted({ call: 1, orders: [orderOf(sequence)], parts: [0], owned });
}

/** The sequences of what was read, which is taken by that. */
function taken(): number[] {
  const sequences: number[] = [];
  for (let page = reader.next(); page !== undefined; page = reader.next()) {
    expect(page.partition).toBe(partition);
    sequences.push(...page.orders.map(({ sequence }) => sequence));
  }
  return sequences;
}

/** Reads pages until the partition is live; nothing is there. */
async function live(): Promise<void> {
  const isRead = reader.read();
  await fake.answer('pages', pageOf([], false));
  await isRead;
  expect(reader.isCaughtUp).toBe(true);
}

describe('notes', () => {
  it('orders come in the order of the notes, and by sequence where notes are read at once', async () => {
    await live();
    reader.heard(note('1 1 1 10 12 501'));
    const first = reader.read();
    reader.heard(note('2 1 1 5 5 500'));
    await fake.answer('ranges', [rowOf(12), rowOf(10)]);
    await first;
    expect(taken()).toEqual([10, 12]);
    const second = reader.read();
    reader.heard(note('1 2 1 20 20 502'));
    await fake.answer('ranges', [rowOf(5)]);
    await second;
    expect(taken()).toEqual([5]);
  });

  it('own orders are taken from memory, at the place of their note, once', async () => {
    await live();
    accepted(11);
    expect(reader.hasWork).toBe(false);
    reader.heard(note('1 1 1 10 10 501'));
    reader.heard(note('7 1 1 11 11 502'));
    const isRead = reader.read();
    await fake.answer('ranges', [rowOf(10)]);
    await isRead;
    expect(taken()).toEqual([10, 11]);
    expect(fake.calls).toEqual([]);
    expect(reader.hasWork).toBe(false);
  });

  it('own orders whose note comes before the answer to their call are read', async () => {
    await live();
    reader.heard(note('7 1 1 11 11 502'));
    const isRead = reader.read();
    accepted(11);
    await fake.answer('ranges', [rowOf(11)]);
    await isRead;
    expect(taken()).toEqual([11]);
    expect(reader.hasWork).toBe(false);
  });

  it('own orders that a page has are not taken from memory too, even when they are settled by then', async () => {
    accepted(11);
    const isRead = reader.read();
    reader.heard(note('7 1 1 11 11 502'));
    await fake.answer('pages', pageOf([11], false));
    await isRead;
    expect(taken()).toEqual([11]);
    reader.settled(11, 0);
    await reader.read();
    expect(taken()).toEqual([]);
  });

  it('invariant 12: own orders of a partition that was not owned then, or is gained anew since, are read', async () => {
    await live();
    accepted(11, '2');
    reader.heard(note('7 1 1 11 11 502'));
    const first = reader.read();
    await fake.answer('ranges', []);
    await first;
    expect(taken()).toEqual([]);
    accepted(12);
    reader.drop(partition);
    reader.gain(partition);
    await reader.read();
    await live();
    reader.heard(note('7 1 1 12 12 503'));
    const second = reader.read();
    await fake.answer('ranges', [rowOf(12, 'u', { losses: 1 })]);
    await second;
    expect(reader.next()?.orders.map(({ attempt }) => attempt)).toEqual([2]);
  });

  it('of other partitions nothing is read', async () => {
    await live();
    reader.heard(note('1 1 2 10 10 501'));
    expect(reader.hasWork).toBe(false);
  });

  it('what a partition had that is dropped is not given', async () => {
    await live();
    reader.heard(note('1 1 1 10 10 501'));
    const isRead = reader.read();
    reader.drop(partition);
    await fake.answer('ranges', [rowOf(10)]);
    await isRead;
    expect(taken()).toEqual([]);
  });

  it('notes that name orders one by one are read so', async () => {
    await live();
    const [text] = listNotes([
      { sequence: 11, part: 0 },
      { sequence: 5, part: 0 },
    ]);
    reader.heard(note(text as string));
    const isRead = reader.read();
    expect(fake.calls[0]?.values).toEqual(['{11,5}', 7]);
    await fake.answer('listed', [rowOf(11), rowOf(5)]);
    await isRead;
    expect(taken()).toEqual([5, 11]);
    expect(listNotes([])).toEqual([]);
    const many = Array.from({ length: 1_000 }, (_, at) => ({
      sequence: 2 ** 53 - at,
      part: at % 64,
    }));
    for (const each of listNotes(many)) expect(each.length).toBeLessThan(8_000);
  });

  it.each(['', '1 1 1 2', '1 1 g 1 1 1', '1 1 1 1 1 -', 'x'])('%j is no note', (text) => {
    expect(parseAcceptNote(text)).toBeUndefined();
  });
});

describe('pages', () => {
  it('what was noted before the answer of a page comes before its rows', async () => {
    const first = reader.read();
    await fake.answer('pages', pageOf([10, 20], true));
    await first;
    expect(taken()).toEqual([10, 20]);
    // It was committed late, below the cursor; 30 may have been handed in when it was acknowledged.
    reader.heard(note('1 1 1 15 15 501'));
    const second = reader.read();
    reader.heard(note('1 2 1 16 16 502'));
    await fake.answer('pages', pageOf([30], false));
    await fake.answer('ranges', [rowOf(15), rowOf(16)]);
    await second;
    expect(taken()).toEqual([15, 16, 30]);
  });

  it('what was noted while a page was read is looked at again when its cursor is known', async () => {
    const first = reader.read();
    await fake.answer('pages', pageOf([10, 20], true));
    await first;
    const second = reader.read();
    // Committed after the page's snapshot: the page has 40, and not this one.
    reader.heard(note('1 1 1 35 35 501'));
    await fake.answer('pages', pageOf([30, 40], true));
    await second;
    expect(taken()).toEqual([10, 20, 30, 40]);
    const third = reader.read();
    await fake.answer('pages', pageOf([50], false));
    await fake.answer('ranges', [rowOf(35)]);
    await third;
    expect(taken()).toEqual([35, 50]);
  });

  it('a note above the cursor of a page is not read: a page will have it', async () => {
    const first = reader.read();
    await fake.answer('pages', pageOf([10, 20], true));
    await first;
    reader.heard(note('1 1 1 35 35 501'));
    const second = reader.read();
    await fake.answer('pages', pageOf([30, 35], false));
    await second;
    expect(taken()).toEqual([10, 20, 30, 35]);
    expect(reader.hasWork).toBe(false);
  });

  it('what a page has given is not given by its note too', async () => {
    const first = reader.read();
    reader.heard(note('1 1 1 10 10 501'));
    await fake.answer('pages', pageOf([10], false));
    await first;
    const second = reader.read();
    await fake.answer('ranges', [rowOf(10)]);
    await second;
    expect(taken()).toEqual([10]);
  });

  it('what was settled since a read began is not given', async () => {
    await live();
    reader.heard(note('1 1 1 10 11 501'));
    const first = reader.read();
    reader.settled(10, 0);
    await fake.answer('ranges', [rowOf(10), rowOf(11)]);
    await first;
    expect(taken()).toEqual([11]);
    await begin();
    const second = reader.read();
    reader.settled(10, 0);
    await fake.answer('pages', pageOf([10, 11], false));
    await second;
    expect(taken()).toEqual([11]);
  });

  it('of more notes than there is room for, reading goes on by pages where it was', async () => {
    await begin({ noted: 10 });
    await live();
    reader.heard(note('1 1 1 10 12 501'));
    const first = reader.read();
    await fake.answer('ranges', [rowOf(10), rowOf(12)]);
    await first;
    // 11 was drawn before 12 and is committed after it.
    reader.heard(note('1 2 1 11 11 502'));
    reader.heard(note('1 3 1 13 22 503'));
    expect(reader.isCaughtUp).toBe(false);
    expect(taken()).toEqual([10, 12]);
    const second = reader.read();
    expect(fake.calls[0]?.values.slice(0, 2)).toEqual(['{0}', '{12}']);
    await fake.answer('pages', pageOf([13, 22], false));
    await fake.answer('ranges', [rowOf(11)]);
    await second;
    expect(taken()).toEqual([11, 13, 22]);
  });

  it('all is given once more when reading begins anew', async () => {
    const first = reader.read();
    await fake.answer('pages', pageOf([10, 11], false));
    await first;
    expect(taken()).toEqual([10, 11]);
    reader.restart();
    const second = reader.read();
    expect(fake.calls[0]?.values.slice(0, 2)).toEqual(['{0}', '{0}']);
    await fake.answer('pages', pageOf([10, 11], false));
    await second;
    expect(taken()).toEqual([10, 11]);
  });
});

describe('a user with many orders', () => {
  it('is held back, passed over, and read in order once it has few; late orders below go on', async () => {
    await begin({ user: 2 });
    const first = reader.read();
    await fake.answer('pages', pageOf([10, 12, 13, 14], true));
    await first;
    expect(taken()).toEqual([10, 12]);
    reader.heard(note('1 1 1 11 11 501'));
    const second = reader.read();
    expect(fake.calls[0]?.values[4]).toBe('{"u"}');
    await fake.answer('pages', pageOf([20], false, 'other'));
    await fake.answer('ranges', [rowOf(11)]);
    await second;
    expect(taken()).toEqual([11, 20]);
    // Noted while it is held back: it is not read before those that wait.
    reader.heard(note('1 2 1 30 30 502'));
    const third = reader.read();
    await fake.answer('ranges', [rowOf(30)]);
    await third;
    expect(taken()).toEqual([]);
    for (const sequence of [10, 11, 12]) reader.settled(sequence, 0);
    const fourth = reader.read();
    expect(fake.calls[0]?.values).toEqual(['{"u"}', '{12}', '{2}', 7]);
    const scanned = [13, 14].map((seq) => ({ ...rowOf(seq), scanned: seq, at: 1 }));
    await fake.answer('users', scanned);
    await fourth;
    expect(taken()).toEqual([13, 14]);
    reader.settled(13, 0);
    const fifth = reader.read();
    await fake.answer('users', [{ ...rowOf(30), scanned: 30, at: 1 }]);
    await fifth;
    expect(taken()).toEqual([30]);
  });

  it('gets nothing by notes while others of it wait, though it has fewer by then', async () => {
    await begin({ user: 4 });
    const first = reader.read();
    await fake.answer('pages', pageOf([10, 11, 12, 13, 14], false));
    await first;
    expect(taken()).toEqual([10, 11, 12, 13]);
    reader.settled(10, 0);
    reader.heard(note('1 1 1 30 30 501'));
    const second = reader.read();
    await fake.answer('ranges', [rowOf(30)]);
    await second;
    expect(taken()).toEqual([]);
  });

  it('of its delayed orders that are due it gets no more than it may have, and the others in order', async () => {
    await begin({ user: 2 });
    await live();
    fake.nextDue = [{ part: 0, at: 1, inMs: 0 }];
    reader.sweep();
    const due = (seq: number, user_id: string) => ({ seq, part: 0, user_id });
    const first = reader.read();
    await fake.answer('due', [due(12, 'u'), due(11, 'u'), due(10, 'u'), due(15, 'v')]);
    // Each is due earlier than those with lower numbers.
    const rows = [10, 11, 12].map((seq) => rowOf(seq, 'u', { not_before: 100 - seq }));
    await fake.answer('listed', [...rows, rowOf(15, 'v', { not_before: 99 })]);
    await first;
    expect(taken()).toEqual([12, 11, 15]);
    fake.nextDue = [];
    for (const sequence of [11, 12]) reader.settled(sequence, 0);
    const second = reader.read();
    expect(fake.calls[0]?.values).toEqual(['{"u"}', '{9}', '{2}', 7]);
    await fake.answer('users', [{ ...rowOf(10), scanned: 10, at: 1 }]);
    await second;
    expect(taken()).toEqual([10]);
  });
});

describe('requests to cancel', () => {
  it('come with the order, or when it was given and more is asked for', async () => {
    const first = reader.read();
    const rows = pageOf([10, 11, 12], false).map((row, at) =>
      at === 0 ? { ...row, is_to_cancel: true } : row,
    );
    reader.cancelRequested(0, 11, 'o-11');
    await fake.answer('pages', rows);
    await first;
    const page = reader.next();
    expect(page?.orders.length).toBe(3);
    expect(page?.toCancel).toEqual(['o-10', 'o-11']);
    reader.cancelRequested(0, 12, 'o-12');
    expect(canceled).toEqual([]);
    reader.next();
    expect(canceled).toEqual(['o-12']);
    reader.cancelRequested(0, 10, 'o-10');
    reader.settled(10, 0);
    reader.cancelRequested(1, 10, 'o-10');
    expect(canceled).toEqual(['o-12', 'o-10']);
  });

  it('of an order that is not due brings it at once', async () => {
    await live();
    reader.cancelRequested(0, 10, 'o-10');
    const isRead = reader.read();
    await fake.answer('listed', [rowOf(10, 'u', { is_to_cancel: true })]);
    await isRead;
    expect(reader.next()).toMatchObject({ orders: [{ id: 'o-10' }], toCancel: ['o-10'] });
  });
});

describe('a sweep', () => {
  it('finds what no note has come of at the second time, behind the notes before its answer', async () => {
    await live();
    for (const isSecond of [false, true]) {
      reader.sweep();
      await reader.read();
      const isRead = reader.read();
      await fake.answer('sweep', [{ seq: 10, part: 0, user_id: 'u' }]);
      if (isSecond) {
        reader.heard(note('1 1 1 5 5 501'));
        await fake.answer('listed', [rowOf(10)]);
        await fake.answer('ranges', [rowOf(5)]);
      }
      await isRead;
      expect(taken()).toEqual(isSecond ? [5, 10] : []);
    }
  });
});
