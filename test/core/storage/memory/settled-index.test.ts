import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashOf } from '../../../../src/core/collections/id-hash.ts';
import { IdIndex } from '../../../../src/core/storage/memory/settled-index.ts';
import { range } from '../../../kit/helpers.ts';

/** A ring with an index, beside a `Map` that must always say the same. */
class Ring {
  readonly slotOf = new Map<string, number>();
  readonly #slots: number;
  readonly #ids: (string | undefined)[] = [];
  readonly #index: IdIndex;
  #added = 0;

  constructor(slots: number, room?: number) {
    this.#slots = slots;
    this.#index = new IdIndex(slots, (slot) => this.#ids[slot], room);
  }

  add(id: string): void {
    const slot = this.#added % this.#slots;
    this.#added += 1;
    this.#index.add(slot, hashOf(id));
    this.slotOf.delete(this.#ids[slot] ?? '');
    this.#ids[slot] = id;
    this.slotOf.set(id, slot);
  }

  forget(id: string | undefined): void {
    const slot = id === undefined ? undefined : this.slotOf.get(id);
    if (id === undefined || slot === undefined) return;
    this.slotOf.delete(id);
    this.#ids[slot] = undefined;
  }

  check(ids: Iterable<string>): void {
    for (const id of ids) {
      const found = this.#index.find(id);
      if (found !== (this.slotOf.get(id) ?? -1)) expect.fail(`${id} was found at ${found}`);
    }
  }
}

it.each([0, 1, 2_000])('finds nothing in a ring of %i before an id is added', (slots) => {
  const index = new IdIndex(slots, () => 'a');
  expect(index.find('a')).toBe(-1);
  expect(index.find('')).toBe(-1);
});

it('distinguishes ids with the same hash', () => {
  const ids: (string | undefined)[] = ['other', 'one', 'third'];
  const index = new IdIndex(3, (slot) => ids[slot]);
  for (const slot of [0, 1, 2]) index.add(slot, hashOf('one'));
  expect(index.find('one')).toBe(1);
  ids[1] = undefined;
  expect(index.find('one')).toBe(-1);
});

const room = fc.integer({ min: 1, max: 20 });

it('finds what a `Map` would find, round after round, through growth and forgetting', () => {
  const ids = range(64).map((at) => `order-${at}`);
  const action = fc.record({
    act: fc.constantFrom('add', 'add', 'add', 'add', 'forget'),
    id: fc.constantFrom(...ids),
  });
  const actions = fc.array(action, { maxLength: 200, size: 'max' });
  const slots = fc.integer({ min: 1, max: 50 });
  const property = fc.property(slots, room, actions, (slots, room, all) => {
    const ring = new Ring(slots, room);
    for (const { act, id } of all) {
      if (act === 'forget') ring.forget(id);
      else if (!ring.slotOf.has(id)) ring.add(id);
      ring.check(ids);
    }
  });
  fc.assert(property, { numRuns: 300 });
});

it('finds what a `Map` would find where hashes crowd into a few buckets, through growth', () => {
  // The last and the first of 32 buckets, which is as many as there are.
  const crowd = range(20_000).map((at) => `order-${at}`);
  const inLast = crowd.filter((id) => hashOf(id) % 32 === 31 || hashOf(id) % 32 === -1);
  const inFirst = crowd.filter((id) => hashOf(id) % 32 === 0);
  const picks = fc.array(fc.boolean(), { maxLength: 200, size: 'max' });
  const slots = fc.integer({ min: 1, max: 100 });
  const property = fc.property(slots, room, picks, (slots, room, all) => {
    const ring = new Ring(slots, room);
    const ids = all.map((isFirst, at) => (isFirst ? inFirst : inLast)[at] as string);
    for (const [at, id] of ids.entries()) {
      ring.add(id);
      ring.check(ids.slice(0, at + 1));
    }
  });
  fc.assert(property, { numRuns: 300 });
});

it('ends its search where every bucket has overflowed', () => {
  const ids: string[] = [];
  const index = new IdIndex(8, (slot) => ids[slot]);
  // Two buckets: the eighth of the first goes to the second, which is full then after six of its own.
  const hashes = [2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1];
  for (const [at, hash] of hashes.entries()) {
    index.add(at % 8, hash);
    ids[at % 8] = `order-${at}`;
  }
  expect(index.find('order-14', 1)).toBe(14 % 8);
  expect(index.find('unknown', 2)).toBe(-1);
  expect(index.find('unknown', 1)).toBe(-1);
});

it.each([
  [1_000, undefined],
  [5_000, undefined],
  [1_000, 4],
])('finds the last %i of many thousand, and none of those before', (slots, room) => {
  const ring = new Ring(slots, room);
  const ids = range(7_500).map((at) => `order-${at}`);
  for (const id of ids) ring.add(id);
  expect(ring.slotOf.size).toBe(slots);
  ring.check(ids);
});
