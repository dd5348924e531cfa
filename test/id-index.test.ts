import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashOf, keyOf } from '../src/id-hash.ts';
import { IdIndex } from '../src/storage/id-index.ts';
import { range } from './helpers.ts';

/** A ring with an index, beside a `Map` that must always say the same. */
class Ring {
  readonly slotOf = new Map<string, number>();
  readonly #ids: (string | undefined)[] = [];
  readonly #index = new IdIndex((slot) => this.#ids[slot]);
  #at = 0;

  get length(): number {
    return this.#ids.length;
  }

  /** Only when the ring is full for the first time, as its owner does. */
  grow(slots: number): void {
    if (this.#at !== this.length) return;
    while (this.length < slots) this.#ids.push(undefined);
    this.#index.grow(slots);
  }

  add(id: string): void {
    const slot = this.#at % this.length;
    this.#at += 1;
    this.forget(this.#ids[slot]);
    this.#index.add(slot, hashOf(id));
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
      const found = this.#index.find(keyOf(id));
      if (found !== (this.slotOf.get(id) ?? -1)) expect.fail(`${id} was found at ${found}`);
    }
  }
}

it('finds nothing before it has room', () => {
  const index = new IdIndex(() => 'a');
  expect(index.find(keyOf('a'))).toBe(-1);
  expect(index.find(keyOf(''))).toBe(-1);
});

it('tells ids with the same hash apart', () => {
  const ids: (string | undefined)[] = ['other', 'one', 'third'];
  const index = new IdIndex((slot) => ids[slot]);
  index.grow(3);
  for (const slot of [0, 1, 2]) index.add(slot, hashOf('one'));
  expect(index.find(keyOf('one'))).toBe(1);
  ids[1] = undefined;
  expect(index.find(keyOf('one'))).toBe(-1);
});

it('finds what a `Map` would find, round after round, through growth and forgetting', () => {
  const ids = range(64).map((at) => `order-${at}`);
  const action = fc.record({
    act: fc.constantFrom('add', 'add', 'add', 'add', 'forget', 'grow'),
    id: fc.constantFrom(...ids),
  });
  const actions = fc.array(action, { maxLength: 200, size: 'max' });
  const property = fc.property(fc.integer({ min: 1, max: 20 }), actions, (slots, all) => {
    const ring = new Ring();
    ring.grow(slots);
    for (const { act, id } of all) {
      if (act === 'grow') ring.grow(ring.length * 2);
      else if (act === 'forget') ring.forget(id);
      else if (!ring.slotOf.has(id)) ring.add(id);
      ring.check(ids);
    }
  });
  fc.assert(property, { numRuns: 300 });
});

it('finds what a `Map` would find where hashes crowd into a few buckets', () => {
  const hashes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 200, size: 'max' });
  const property = fc.property(fc.integer({ min: 1, max: 40 }), hashes, (slots, all) => {
    const ids: string[] = [];
    const index = new IdIndex((slot) => ids[slot]);
    index.grow(slots);
    for (const [at, hash] of all.entries()) {
      index.add(at % slots, hash);
      ids[at % slots] = `order-${at}`;
      for (const [before, itsHash] of all.slice(0, at + 1).entries()) {
        const slot = index.find({ id: `order-${before}`, hash: itsHash });
        if (slot !== (at - before < slots ? before % slots : -1)) expect.fail(`${before}: ${slot}`);
      }
    }
  });
  fc.assert(property, { numRuns: 300 });
});

it('ends its search where every bucket has overflowed', () => {
  const ids: string[] = [];
  const index = new IdIndex((slot) => ids[slot]);
  index.grow(8);
  // Two buckets: the eighth of the first goes to the second, which is full then after six of its own.
  const hashes = [2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1];
  for (const [at, hash] of hashes.entries()) {
    index.add(at % 8, hash);
    ids[at % 8] = `order-${at}`;
  }
  expect(index.find({ id: 'order-14', hash: 1 })).toBe(14 % 8);
  expect(index.find({ id: 'unknown', hash: 2 })).toBe(-1);
  expect(index.find({ id: 'unknown', hash: 1 })).toBe(-1);
});

it('finds the last of many thousand, and none of those before', () => {
  const ring = new Ring();
  ring.grow(1_000);
  const ids = range(7_500).map((at) => `order-${at}`);
  for (const id of ids) ring.add(id);
  expect(ring.slotOf.size).toBe(1_000);
  ring.check(ids);
});
