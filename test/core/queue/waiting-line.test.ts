import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Job } from '../../../src/core/lifecycle/job.ts';
import { Caller, type Room, WaitingLine } from '../../../src/core/queue/waiting-line.ts';
import { range } from '../../kit/helpers.ts';

function jobOf(name: string, rank = 1): Job {
  return new Job(name, name.charAt(0), 1, rank, undefined, []);
}

/** So many orders in all and for each user; it keeps who is in, and who came in, in order. */
class House implements Room {
  readonly line = new WaitingLine(this);
  readonly log: string[] = [];
  /** What a listener does when a caller is admitted. */
  onEntered = (_name: string): void => {};
  readonly #capacity: number;
  readonly #perUser: number;
  readonly #inside: string[] = [];

  constructor(capacity: number, perUser = Number.POSITIVE_INFINITY) {
    this.#capacity = capacity;
    this.#perUser = perUser;
  }

  has(): boolean {
    return this.#inside.length < this.#capacity;
  }

  hasFor(userId: string): boolean {
    return this.insideOf(userId) < this.#perUser;
  }

  insideOf(userId: string): number {
    return this.#inside.filter((other) => other === userId).length;
  }

  /** The caller goes in at once or waits; one whose order is known already needs no room. */
  enter(name: string, isKnown = false, rank = 1): Caller | undefined {
    const userId = name.charAt(0);
    const goIn = (): void => {
      this.log.push(name);
      if (!isKnown) this.#inside.push(userId);
      expect(this.#inside.length).toBeLessThanOrEqual(this.#capacity);
      expect(this.insideOf(userId)).toBeLessThanOrEqual(this.#perUser);
      this.onEntered(name);
    };
    if (this.line.hasRoomFor(userId)) {
      goIn();
      return undefined;
    }
    const caller = new Caller(jobOf(name, rank), goIn);
    this.line.add(caller);
    return caller;
  }

  /** One of the user's orders is settled. */
  settle(userId: string): void {
    const at = this.#inside.indexOf(userId);
    if (at !== -1) this.#inside.splice(at, 1);
    this.line.admit(userId);
  }
}

describe('a waiting line', () => {
  it('gives users their turns in the order in which they came', () => {
    const house = new House(1);
    for (const name of ['a1', 'b1', 'c1', 'a2']) house.enter(name);
    expect(house.log).toEqual(['a1']);
    for (const userId of 'abc') house.settle(userId);
    expect(house.log).toEqual(['a1', 'b1', 'c1', 'a2']);
    expect(house.line.size).toBe(0);
  });

  it('lets in no more than there is room for', () => {
    const house = new House(2);
    for (const name of ['a1', 'b1', 'c1', 'd1']) house.enter(name);
    expect([house.log.length, house.line.size]).toEqual([2, 2]);
    house.line.admit('c');
    expect([house.log.length, house.line.size]).toEqual([2, 2]);
    house.settle('a');
    expect(house.log).toEqual(['a1', 'b1', 'c1']);
  });

  it('is not open to a newcomer while a caller waits whose turn comes first', () => {
    const house = new House(1);
    house.enter('a1');
    const waiting = house.enter('b1') as Caller;
    expect(house.line.hasRoomFor('c')).toBe(false);
    house.line.remove(waiting);
    expect(house.line.hasRoomFor('c')).toBe(false);
    house.settle('a');
    expect(house.line.hasRoomFor('c')).toBe(true);
  });

  it('a user at its bound keeps no other user waiting', () => {
    const house = new House(10, 2);
    for (const name of ['a1', 'a2', 'a3', 'a4']) house.enter(name);
    expect([house.log.join(' '), house.line.size]).toEqual(['a1 a2', 2]);
    expect(house.line.hasRoomFor('b')).toBe(true);
    expect(house.enter('b1')).toBeUndefined();
    house.settle('b');
    expect(house.log.join(' ')).toBe('a1 a2 b1');
    house.settle('a');
    expect(house.log.join(' ')).toBe('a1 a2 b1 a3');
  });

  it('a user at its bound keeps no other user waiting while the processor is full too', () => {
    const house = new House(2, 1);
    for (const name of ['a1', 'b1', 'a2', 'c1']) house.enter(name);
    house.settle('b');
    expect(house.log.join(' ')).toBe('a1 b1 c1');
    house.settle('a');
    expect(house.log.join(' ')).toBe('a1 b1 c1 a2');
  });

  it('does not promise one free place of a user to two of its callers', () => {
    const house = new House(1, 1);
    for (const name of ['b1', 'a1', 'a2']) house.enter(name);
    house.settle('b');
    expect(house.log.join(' ')).toBe('b1 a1');
    house.enter('c1');
    house.settle('a');
    // The second waited for its user while the other came.
    expect(house.log.join(' ')).toBe('b1 a1 c1');
    house.settle('c');
    expect(house.log.join(' ')).toBe('b1 a1 c1 a2');
  });

  it("invariant 1: a user's callers never overtake each other, be there room or not", () => {
    const house = new House(2, 1);
    for (const name of ['a1', 'a2']) house.enter(name);
    expect(house.has()).toBe(true);
    expect(house.line.hasRoomFor('a')).toBe(false);
    house.enter('a3');
    for (const _ of 'aaa') house.settle('a');
    expect(house.log.join(' ')).toBe('a1 a2 a3');
  });

  it('invariant 4: admits the caller that waits behind an order that turns out to be known', () => {
    const house = new House(1, 1);
    house.enter('a1');
    house.enter('a2', true);
    house.enter('a3', true);
    house.enter('a4');
    house.settle('a');
    expect(house.log.join(' ')).toBe('a1 a2 a3 a4');
    expect(house.line.size).toBe(0);
  });

  it.each([
    ['anybody', ['a1', 'b1', 'c1', 'd1'], 1, 1],
    ["the user's own callers", ['a1', 'a2', 'a3', 'a4'], 2, 1],
  ])(
    'one who comes while another is admitted does not overtake %s',
    (_, names, capacity, bound) => {
      const house = new House(capacity, bound);
      const [first, known, waiting, late] = names as [string, string, string, string];
      house.onEntered = (name) => {
        if (name === known) house.enter(late);
      };
      house.enter(first);
      house.enter(known, true);
      house.enter(waiting);
      house.settle('a');
      expect(house.log).toEqual([first, known, waiting]);
      house.settle(waiting.charAt(0));
      expect(house.log).toEqual(names);
    },
  );

  it('invariant 4: admits the caller that waits behind one that leaves', () => {
    const house = new House(1, 1);
    house.enter('b1');
    const first = house.enter('a1') as Caller;
    const second = house.enter('a2') as Caller;
    house.enter('a3');
    expect(house.line.remove(second)).toBe(true);
    expect(house.line.remove(first)).toBe(true);
    expect(house.line.remove(first)).toBe(false);
    expect(house.line.size).toBe(1);
    house.settle('b');
    expect(house.log.join(' ')).toBe('b1 a3');
  });

  it('a caller whose turn has come cannot leave any more', () => {
    const house = new House(1);
    house.enter('a1');
    const caller = house.enter('b1') as Caller;
    house.settle('a');
    expect(house.line.remove(caller)).toBe(false);
    expect(house.log.join(' ')).toBe('a1 b1');
    expect(house.line.size).toBe(0);
  });

  it("invariant 7: a user with many callers delays another user's callers by one of its own", () => {
    const house = new House(1);
    for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'a5', 'b2']) house.enter(name);
    for (const _ of range(7)) for (const userId of 'ab') house.settle(userId);
    expect(house.log.join(' ')).toBe('a1 a2 b1 a3 b2 a4 a5');
  });

  it('invariant 7: an urgent caller goes before others, and low ones within the bound of the queue', () => {
    const house = new House(1);
    house.enter('a1');
    for (const index of range(40)) house.enter(`${'bcdef'.charAt(index % 5)}${index}`);
    house.enter('l1', false, 2);
    for (const index of range(40)) house.enter(`${'uvwxy'.charAt(index % 5)}${index}`, false, 0);
    const settleAll = (): void => {
      for (const userId of 'abcdefluvwxy') house.settle(userId);
    };
    settleAll();
    expect(house.log[1]?.charAt(0)).toMatch(/[uvwxy]/);
    for (const _ of range(90)) settleAll();
    expect(house.line.size).toBe(0);
    expect(house.log.indexOf('l1')).toBeLessThanOrEqual(17);
  });

  it("invariant 4: dismiss admits everybody, a user's callers in their order", async () => {
    const admitted: string[] = [];
    const line = new WaitingLine({ has: () => false, hasFor: (id) => id !== 'a' });
    for (const name of ['a1', 'b1', 'a2', 'b2', 'b3', 'c1']) {
      line.add(new Caller(jobOf(name), () => admitted.push(name)));
    }
    expect(line.size).toBe(6);
    await line.admitAll(() => undefined);
    expect(line.size).toBe(0);
    expect(admitted.toSorted()).toEqual(['a1', 'a2', 'b1', 'b2', 'b3', 'c1']);
    for (const userId of 'abc') {
      const own = admitted.filter((name) => name.startsWith(userId));
      expect(own).toEqual(own.toSorted());
    }
    await line.admitAll(() => undefined);
    expect(admitted).toHaveLength(6);
  });

  it('invariant 4: dismiss leaves those that are to be kept, in their order, until they are not', async () => {
    const admitted: string[] = [];
    let hasRoom = false;
    const line = new WaitingLine({ has: () => hasRoom, hasFor: () => true });
    const kept = new Set<Caller>();
    for (const name of ['a1', 'b1', 'a2', 'b2', 'a3', 'c1']) {
      const caller = new Caller(jobOf(name), () => admitted.push(name));
      if (name.startsWith('a')) kept.add(caller);
      line.add(caller);
    }
    await line.admitAll(
      () => undefined,
      (caller) => kept.has(caller),
    );
    expect(admitted.toSorted()).toEqual(['b1', 'b2', 'c1']);
    expect(line.size).toBe(3);
    hasRoom = true;
    line.admit('a');
    expect(admitted.slice(3)).toEqual(['a1', 'a2', 'a3']);
  });

  it('invariant 4: one that is to be kept may leave while the others are dismissed', async () => {
    const admitted: string[] = [];
    const line = new WaitingLine({ has: () => false, hasFor: () => true });
    const callers = ['a1', 'b1', 'a2'].map((name) => {
      const caller = new Caller(jobOf(name), () => admitted.push(name));
      line.add(caller);
      return caller;
    });
    const [first] = callers as [Caller, ...Caller[]];
    const dismissed = line.admitAll(
      () => Promise.resolve(),
      ({ userId }) => userId === 'a',
    );
    expect([line.size, line.remove(first), line.remove(first), line.size]).toEqual([
      3,
      true,
      false,
      2,
    ]);
    await dismissed;
    await line.admitAll(() => undefined);
    expect(admitted).toEqual(['b1', 'a2']);
  });

  it('does what its model does', () => {
    const action = fc.record({
      act: fc.constantFrom('enter', 'enter', 'enter', 'settle', 'settle', 'leave'),
      userId: fc.constantFrom(...'abcd'),
      isKnown: fc.boolean(),
      at: fc.nat(),
    });
    const bounds = fc.record({ capacity: fc.integer({ min: 1, max: 6 }), perUser: fc.nat(3) });
    const actions = fc.array(action, { maxLength: 80, size: 'max' });
    const property = fc.property(bounds, actions, ({ capacity, perUser }, all) => {
      const bound = perUser === 0 ? Number.POSITIVE_INFINITY : perUser;
      const house = new House(capacity, bound);
      /** Who waits, by arrival, and who came in before each while its user had room for it. */
      const waiting = new Map<string, { caller: Caller; passedBy: string[] }>();
      let heard = 0;

      const hasRoom = (name: string): boolean => {
        const names = [...waiting.keys()];
        const before = names.slice(0, names.indexOf(name));
        const ofUser = before.filter((other) => other.charAt(0) === name.charAt(0)).length;
        return house.insideOf(name.charAt(0)) + ofUser < bound;
      };
      const check = (): void => {
        for (const name of house.log.slice(heard)) {
          const own = [...waiting.keys()].find((other) => other.charAt(0) === name.charAt(0));
          // None overtakes another of its user.
          if (own !== undefined) expect(own).toBe(name);
          waiting.delete(name);
          for (const [other, { passedBy }] of waiting) {
            const isTurn = other.charAt(0) === name.charAt(0);
            if (hasRoom(other) && !isTurn) passedBy.push(name.charAt(0));
            else passedBy.length = 0;
            // Users have their turns: none comes twice before one that could go all the time.
            if (perUser === 0) expect(new Set(passedBy).size).toBe(passedBy.length);
          }
        }
        heard = house.log.length;
        expect(house.line.size).toBe(waiting.size);
        // No caller waits while there is room.
        if (house.has()) expect([...waiting.keys()].filter(hasRoom)).toEqual([]);
      };

      for (const [index, { act, userId, isKnown, at }] of all.entries()) {
        const names = [...waiting.keys()];
        if (act === 'enter') {
          const name = `${userId}${index}`;
          // Callers of the same user, and all whose user has room for them.
          const before = names.filter((other) => other.charAt(0) === userId || hasRoom(other));
          const caller = house.enter(name, isKnown);
          if (caller === undefined) expect(before).toEqual([]);
          else waiting.set(name, { caller, passedBy: [] });
        } else if (act === 'settle') house.settle(userId);
        else if (names.length > 0) {
          const name = names[at % names.length] as string;
          expect(house.line.remove(waiting.get(name)?.caller as Caller)).toBe(true);
          waiting.delete(name);
        }
        check();
      }
      // As many rounds as there may be orders: no caller is left.
      for (let round = 0; round < all.length && waiting.size > 0; round += 1) {
        for (const userId of 'abcd') {
          house.settle(userId);
          check();
        }
      }
      expect([...waiting.keys()]).toEqual([]);
    });
    fc.assert(property, { numRuns: 300 });
  });
});
