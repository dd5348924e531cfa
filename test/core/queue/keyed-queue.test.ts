import assert from 'node:assert/strict';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { burst, KeyedQueue } from '../../../src/core/queue/keyed-queue.ts';
import { passedOverAtMost, type QueueEntry } from '../../../src/core/queue/lane.ts';
import { range } from '../../kit/helpers.ts';

const HIGH = 0;
const MEDIUM = 1;
const LOW = 2;

/** Distinguished by their serial numbers, since `toEqual` does not compare identities. */
interface Entry extends QueueEntry {
  readonly serial: number;
}

let serial = 0;

function entryOf(userId: string, rank = MEDIUM): Entry {
  serial += 1;
  return { serial, userId, rank, lane: undefined, prev: undefined, next: undefined };
}

function push(queue: KeyedQueue<Entry>, userId: string, rank = MEDIUM): Entry {
  const entry = entryOf(userId, rank);
  queue.push(entry);
  return entry;
}

function pushMany(queue: KeyedQueue<Entry>, userId: string, rank: number, count: number) {
  for (let at = 0; at < count; at += 1) push(queue, userId, rank);
}

/** Whose turns come next; each entry is released at once. */
function turns(queue: KeyedQueue<Entry>, count: number): string {
  let log = '';
  for (let at = 0; at < count; at += 1) {
    const entry = queue.take();
    if (entry === undefined) break;
    log += entry.userId;
    queue.release(entry);
  }
  return log;
}

/** What comes next, until nothing does. */
function drain(queue: KeyedQueue<Entry>): Entry[] {
  const entries: Entry[] = [];
  for (let entry = queue.take(); entry !== undefined; entry = queue.take()) {
    entries.push(entry);
    queue.release(entry);
  }
  return entries;
}

describe.each([{ exclusive: true }, { exclusive: false }])('a keyed queue, %o', (options) => {
  it('invariant 1: gives the entries of a user first in, first out, with different ranks', () => {
    const queue = new KeyedQueue<Entry>(options);
    const entries = [LOW, HIGH, MEDIUM, HIGH, LOW].map((rank) => push(queue, 'u', rank));
    expect(drain(queue)).toEqual(entries);
    expect(queue.take()).toBeUndefined();
  });

  it('invariant 7: gives the most urgent rank first', () => {
    const queue = new KeyedQueue<Entry>(options);
    push(queue, 'l', LOW);
    push(queue, 'm', MEDIUM);
    push(queue, 'h', HIGH);
    expect(turns(queue, 9)).toBe('hml');
  });

  it('invariant 7: among 5 takes one is medium under endless high', () => {
    const queue = new KeyedQueue<Entry>(options);
    pushMany(queue, 'h', HIGH, 100);
    pushMany(queue, 'm', MEDIUM, 100);
    expect(passedOverAtMost[MEDIUM]).toBe(4);
    expect(turns(queue, 20)).toBe('hhhhm'.repeat(4));
  });

  it.each([{ urgent: HIGH }, { urgent: MEDIUM }])(
    'invariant 7: among 17 takes one is low under endless more urgent ones, %o',
    ({ urgent }) => {
      const queue = new KeyedQueue<Entry>(options);
      pushMany(queue, 'l', LOW, 100);
      pushMany(queue, 'u', urgent, 100);
      expect(passedOverAtMost[LOW]).toBe(16);
      expect(turns(queue, 51)).toBe(`${'u'.repeat(16)}l`.repeat(3));
    },
  );

  it('invariant 7: medium and low both have their turns under endless high', () => {
    const queue = new KeyedQueue<Entry>(options);
    pushMany(queue, 'l', LOW, 100);
    pushMany(queue, 'm', MEDIUM, 100);
    pushMany(queue, 'h', HIGH, 1_000);
    const log = turns(queue, 340);
    expect(log).toMatch(/^[hm]{16}l([hm]{16}l)*$/);
    expect(log).toMatch(/^([hl]{4,5}m)+[hl]*$/);
  });

  it('invariant 7: a low entry that went for want of others does not make the next one urgent', () => {
    const queue = new KeyedQueue<Entry>(options);
    pushMany(queue, 'l', LOW, 100);
    pushMany(queue, 'h', HIGH, 10);
    expect(turns(queue, 12)).toBe(`${'h'.repeat(10)}ll`);
    pushMany(queue, 'h', HIGH, 100);
    expect(turns(queue, 17)).toBe(`${'h'.repeat(16)}l`);
  });

  it('invariant 7: an entry that leaves low and comes back is not passed over anew', () => {
    const queue = new KeyedQueue<Entry>(options);
    push(queue, 'l', LOW);
    pushMany(queue, 'h', HIGH, 100);
    expect(turns(queue, 5)).toBe('hhhhh');
    const urgent = push(queue, 'l', HIGH);
    expect(queue.remove(urgent)).toBe(true);
    expect(turns(queue, 12)).toBe(`${'h'.repeat(11)}l`);
  });

  it('invariant 7: a pause of the only user that waits with medium is not passed over anew', () => {
    const queue = new KeyedQueue<Entry>(options);
    push(queue, 'm', MEDIUM);
    pushMany(queue, 'h', HIGH, 100);
    expect(turns(queue, 3)).toBe('hhh');
    queue.pause('m');
    queue.resume('m');
    expect(turns(queue, 2)).toBe('hm');
  });

  it('invariant 2: gives what there is though a rank that is due has nothing', () => {
    const queue = new KeyedQueue<Entry>(options);
    const low = push(queue, 'l', LOW);
    pushMany(queue, 'h', HIGH, 20);
    expect(turns(queue, 16)).toBe('h'.repeat(16));
    queue.remove(low);
    expect(turns(queue, 9)).toBe('hhhh');
  });

  it('invariant 7: a lane is as urgent as its most urgent waiting entry', () => {
    const queue = new KeyedQueue<Entry>(options);
    push(queue, 'm', MEDIUM);
    pushMany(queue, 'u', LOW, 2);
    push(queue, 'u', HIGH);
    push(queue, 'u', LOW);
    expect(turns(queue, 9)).toBe('uuumu');
  });

  it('invariant 7: a lane is as urgent as its medium entry when it has no high one', () => {
    const queue = new KeyedQueue<Entry>(options);
    push(queue, 'l', LOW);
    push(queue, 'u', LOW);
    push(queue, 'u', MEDIUM);
    push(queue, 'u', LOW);
    expect(turns(queue, 9)).toBe('uulu');
  });

  it('invariant 7: a lane is less urgent again when its most urgent entry is removed', () => {
    const queue = new KeyedQueue<Entry>(options);
    push(queue, 'u', LOW);
    const urgent = push(queue, 'u', HIGH);
    push(queue, 'm', MEDIUM);
    expect(queue.remove(urgent)).toBe(true);
    expect(turns(queue, 9)).toBe('mu');
  });

  it('removes the head, the middle and the tail of a lane', () => {
    for (const at of [0, 1, 2]) {
      const queue = new KeyedQueue<Entry>(options);
      const entries = [push(queue, 'u'), push(queue, 'u'), push(queue, 'u')];
      expect(queue.remove(entries[at] as Entry)).toBe(true);
      expect(queue.size).toBe(2);
      expect(queue.countOf('u')).toBe(2);
      const last = push(queue, 'u');
      expect(drain(queue)).toEqual([...entries.filter((_, other) => other !== at), last]);
    }
  });

  it('removes nothing that is not waiting: removed before, taken, released or never pushed', () => {
    const queue = new KeyedQueue<Entry>(options);
    const [first, second, third] = [push(queue, 'u'), push(queue, 'u'), push(queue, 'u')];
    expect(queue.remove(second)).toBe(true);
    expect(queue.remove(second)).toBe(false);
    expect(second.lane, 'the lane is let go').toBeUndefined();
    expect(queue.take()).toBe(first);
    expect(queue.remove(first)).toBe(false);
    queue.release(first);
    expect(queue.remove(first)).toBe(false);
    expect(queue.remove(entryOf('u'))).toBe(false);
    expect(queue.size).toBe(1);
    expect(drain(queue)).toEqual([third]);
    expect(queue.users).toBe(0);
  });

  it('removes nothing that waits in another queue', () => {
    const queue = new KeyedQueue<Entry>(options);
    const other = new KeyedQueue<Entry>(options);
    const own = push(queue, 'u');
    const foreign = push(other, 'u');
    expect(queue.remove(foreign)).toBe(false);
    expect([queue.size, queue.users, other.size, other.users]).toEqual([1, 1, 1, 1]);
    expect(drain(queue)).toEqual([own]);
    expect(drain(other)).toEqual([foreign]);
  });

  it('gives nothing of a paused user, whether paused before or after its entries came', () => {
    const queue = new KeyedQueue<Entry>(options);
    queue.pause('a');
    push(queue, 'a');
    push(queue, 'b');
    push(queue, 'c');
    queue.pause('b');
    expect(queue.hasStops).toBe(true);
    expect(turns(queue, 9)).toBe('c');
    expect(queue.isRunnable).toBe(false);
    queue.resume('b');
    expect(queue.isRunnable).toBe(true);
    expect(turns(queue, 9)).toBe('b');
    queue.resumeAll();
    expect(queue.hasStops).toBe(false);
    expect(turns(queue, 9)).toBe('a');
  });

  it('invariant 6: keeps nothing for an idle user', () => {
    const queue = new KeyedQueue<Entry>(options);
    const taken = push(queue, 'taken');
    expect(queue.take()).toBe(taken);
    const removed = push(queue, 'removed');
    expect(queue.users).toBe(2);
    queue.remove(removed);
    expect(queue.users).toBe(1);
    queue.release(taken);
    queue.release(taken);
    queue.pause('paused');
    expect(queue.users).toBe(0);
    expect(queue.size).toBe(0);
    expect(queue.countOf('taken')).toBe(0);
    expect(taken.lane).toBeUndefined();
  });
});

describe('an exclusive keyed queue', () => {
  it('invariant 1: gives nothing of a lane until what was taken is released', () => {
    const queue = new KeyedQueue<Entry>({ exclusive: true });
    const [first, second] = [push(queue, 'a'), push(queue, 'a')];
    const other = push(queue, 'b');
    expect([queue.take(), queue.take(), queue.take()]).toEqual([first, other, undefined]);
    expect(queue.isRunnable).toBe(false);
    push(queue, 'a', HIGH);
    queue.pause('a');
    queue.resume('a');
    expect(queue.take()).toBeUndefined();
    expect(queue.countOf('a')).toBe(3);
    queue.release(first);
    expect(queue.take()).toBe(second);
  });

  it('invariant 7: gives each lane of a rank one entry in turn', () => {
    const queue = new KeyedQueue<Entry>({ exclusive: true });
    for (const userId of ['a', 'b', 'c']) pushMany(queue, userId, MEDIUM, 3);
    expect(turns(queue, 9)).toBe('abcabcabc');
  });
});

describe('a keyed queue that is not exclusive', () => {
  it('gives a lane in order without waiting for a release', () => {
    const queue = new KeyedQueue<Entry>({ exclusive: false });
    const entries = [push(queue, 'a'), push(queue, 'a'), push(queue, 'a')];
    expect(entries.map(() => queue.take())).toEqual(entries);
    expect([queue.size, queue.users, queue.countOf('a')]).toEqual([0, 1, 3]);
    for (const entry of entries) queue.release(entry);
    expect(queue.users).toBe(0);
  });

  it('invariant 7: gives up to `burst` entries of a lane in a row', () => {
    const queue = new KeyedQueue<Entry>({ exclusive: false });
    pushMany(queue, 'a', MEDIUM, 1_000);
    expect(turns(queue, burst - 1)).toBe('a'.repeat(burst - 1));
    pushMany(queue, 'b', MEDIUM, burst + 1);
    pushMany(queue, 'c', MEDIUM, 1);
    const [a, b] = ['a'.repeat(burst), 'b'.repeat(burst)];
    expect(turns(queue, 3 * burst + 3)).toBe(`a${b}c${a}b${a}`);
  });

  it('invariant 7: with k other lanes of its rank a lane waits for at most burst · k takes', () => {
    const action = fc.record({ user: fc.nat(4), takes: fc.nat(20) });
    fc.assert(
      fc.property(fc.array(action, { minLength: 1, maxLength: 30 }), (actions) => {
        const queue = new KeyedQueue<Entry>({ exclusive: false });
        for (const { user, takes } of actions) {
          pushMany(queue, `${user}`, MEDIUM, 1);
          turns(queue, takes);
        }
        for (let user = 0; user <= 4; user += 1) pushMany(queue, `${user}`, MEDIUM, 1_000);
        push(queue, 'x');
        expect(turns(queue, burst * 5 + 1)).toContain('x');
      }),
    );
  });
});

class ModelLane {
  readonly waiting: Entry[] = [];
  readonly taken: Entry[] = [];
  isPaused = false;
}

/**
 * A keyed queue as arrays, without turns: it says which lanes may go, not which of them goes. It asserts without
 * `expect`, which would take most of the time.
 */
class Model {
  readonly lanes = new Map([...'abcd'].map((userId) => [userId, new ModelLane()]));
  /** Of each rank: how many takes passed its lanes over since one went to it, whether or not it always had some. */
  readonly #passedOver = [0, 0, 0];
  readonly #exclusive: boolean;

  constructor({ exclusive }: { exclusive: boolean }) {
    this.#exclusive = exclusive;
  }

  lane(userId: string): ModelLane {
    return this.lanes.get(userId) as ModelLane;
  }

  /** The rank of a lane that may go. */
  rank({ waiting, taken, isPaused }: ModelLane): number | undefined {
    if (waiting.length === 0 || isPaused || (this.#exclusive && taken.length > 0)) return undefined;
    return Math.min(...waiting.map((entry) => entry.rank));
  }

  ranks(): number[] {
    const ranks = [...this.lanes.values()].map((lane) => this.rank(lane));
    return ranks.filter((rank) => rank !== undefined);
  }

  take(entry: Entry | undefined): void {
    const ranks = this.ranks();
    assert.equal(entry !== undefined, ranks.length > 0);
    if (entry === undefined) return;
    const lane = this.lane(entry.userId);
    const rank = this.rank(lane) as number;
    assert.notEqual(rank, undefined, 'the lane may go');
    assert.equal(lane.waiting.shift(), entry, 'first in, first out');
    lane.taken.push(entry);
    const passedOver = this.#passedOver as [number, number, number];
    const [, mediumAtMost, lowAtMost] = passedOverAtMost as [number, number, number];
    if (rank > Math.min(...ranks)) {
      assert.ok(passedOver[rank as 0] >= (passedOverAtMost[rank] as number), 'its turn');
    }
    for (const other of new Set(ranks)) passedOver[other as 0] += 1;
    passedOver[rank as 0] = 0;
    // One more where low has its turn.
    assert.ok(passedOver[MEDIUM] <= mediumAtMost + 1, `medium waits ${passedOver[MEDIUM]} takes`);
    assert.ok(passedOver[LOW] <= lowAtMost, `low waits ${passedOver[LOW]} takes`);
  }

  check(queue: KeyedQueue<Entry>): void {
    const lanes = [...this.lanes.values()];
    const counts = lanes.map((lane) => lane.waiting.length + lane.taken.length);
    assert.deepEqual(
      [...this.lanes.keys()].map((userId) => queue.countOf(userId)),
      counts,
    );
    assert.equal(queue.users, counts.filter((count) => count > 0).length);
    assert.equal(
      queue.size,
      lanes.reduce((size, { waiting }) => size + waiting.length, 0),
    );
    assert.equal(queue.isRunnable, this.ranks().length > 0);
    assert.equal(
      queue.hasStops,
      lanes.some((lane) => lane.isPaused),
    );
  }
}

const action = fc.record({
  act: fc.constantFrom('push', 'push', 'push', 'take', 'take', 'release', 'remove', 'pause'),
  userId: fc.constantFrom(...'abcd'),
  rank: fc.nat(2),
  times: fc.integer({ min: 1, max: 25 }),
  at: fc.nat(),
});

it.each([{ exclusive: true }, { exclusive: false }])(
  'invariants 1, 6 and 7: a keyed queue does what its model does, %o',
  (options) => {
    const property = fc.property(fc.array(action, { maxLength: 60, size: 'max' }), (actions) => {
      const queue = new KeyedQueue<Entry>(options);
      const model = new Model(options);
      const all: Entry[] = [];
      const release = ({ taken }: ModelLane, at: number): void => {
        for (const entry of taken.splice(at % taken.length, 1)) queue.release(entry);
      };
      for (const { act, userId, rank, times, at } of actions) {
        const lane = model.lane(userId);
        for (const _ of act === 'push' ? range(times) : []) {
          const entry = push(queue, userId, rank);
          lane.waiting.push(entry);
          all.push(entry);
        }
        for (const _ of act === 'take' ? range(times) : []) {
          const entry = queue.take();
          model.take(entry);
          if (entry === undefined || at % 2 === 1) continue;
          release(model.lane(entry.userId), 0);
          model.check(queue);
        }
        if (act === 'release') release(lane, at);
        if (act === 'remove' && all.length > 0) {
          const entry = all[at % all.length] as Entry;
          const { waiting } = model.lane(entry.userId);
          const place = waiting.indexOf(entry);
          expect(queue.remove(entry)).toBe(place !== -1);
          if (place !== -1) waiting.splice(place, 1);
        }
        if (act === 'pause') {
          lane.isPaused = !lane.isPaused;
          if (lane.isPaused) queue.pause(userId);
          else queue.resume(userId);
        }
        model.check(queue);
      }
      queue.resumeAll();
      for (const lane of model.lanes.values()) {
        lane.isPaused = false;
        while (lane.taken.length > 0) release(lane, 0);
      }
      model.check(queue);
      while (queue.size > 0) {
        const entry = queue.take();
        model.take(entry);
        release(model.lane(entry?.userId ?? ''), 0);
        model.check(queue);
      }
      expect(queue.users).toBe(0);
    });
    fc.assert(property, { numRuns: 100 });
  },
);

describe('a claim of a lane', () => {
  it('invariant 1: has its turn after what is taken, before what waits, stopped or not', () => {
    const queue = new KeyedQueue<Entry>({ exclusive: true });
    const log: string[] = [];
    const first = push(queue, 'u');
    push(queue, 'u');
    queue.take();
    queue.claim('u', () => log.push('one'));
    queue.claim('u', () => log.push('two'));
    const giveUp = queue.claim('u', () => log.push('never'));
    queue.hold('u');
    push(queue, 'v');
    expect(turns(queue, 9)).toBe('v');
    expect(log).toEqual([]);
    giveUp();
    queue.release(first);
    expect(log).toEqual(['one']);
    expect(queue.countOf('u')).toBe(1);
    queue.unclaim('u');
    expect(log).toEqual(['one', 'two']);
    queue.unhold('u');
    expect(turns(queue, 9)).toBe('');
    queue.unclaim('u');
    expect(turns(queue, 9)).toBe('u');
    expect(queue.users).toBe(0);
  });

  it('invariant 6: of an idle user takes the lane at once, and leaves nothing behind', () => {
    const queue = new KeyedQueue<Entry>({ exclusive: true });
    const log: string[] = [];
    queue.claim('u', () => log.push('begun'))();
    push(queue, 'u');
    expect([log, queue.isRunnable, queue.countOf('u')]).toEqual([['begun'], false, 1]);
    queue.unclaim('u');
    expect(turns(queue, 9)).toBe('u');
    queue.claim('u', () => {});
    expect([queue.users, queue.countOf('u')]).toEqual([1, 0]);
    queue.unclaim('u');
    expect(queue.users).toBe(0);
  });
});
