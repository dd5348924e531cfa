import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashOf } from '../src/id-hash.ts';
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

  /** Only while the ring has not come round, as its owner does. */
  grow(slots: number): void {
    if (this.#at < this.length) return;
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
      const found = this.#index.find(id);
      if (found !== (this.slotOf.get(id) ?? -1)) expect.fail(`${id} was found at ${found}`);
    }
  }
}

it('finds nothing before it has room', () => {
  const index = new IdIndex(() => 'a');
  expect(index.find('a')).toBe(-1);
  expect(index.find('')).toBe(-1);
});

it('tells ids with the same hash apart', () => {
  const ids: (string | undefined)[] = ['other', 'one', 'third'];
  const index = new IdIndex((slot) => ids[slot]);
  index.grow(3);
  for (const slot of [0, 1, 2]) index.add(slot, hashOf('one'));
  expect(index.find('one')).toBe(1);
  ids[1] = undefined;
  expect(index.find('one')).toBe(-1);
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

it('finds the last of many thousand, and none of those before', () => {
  const ring = new Ring();
  ring.grow(1_000);
  const ids = range(7_500).map((at) => `order-${at}`);
  for (const id of ids) ring.add(id);
  expect(ring.slotOf.size).toBe(1_000);
  ring.check(ids);
});
