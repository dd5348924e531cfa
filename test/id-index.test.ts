import fc from 'fast-check';
import { expect, it } from 'vitest';
import { hashOf } from '../src/id-hash.ts';
import { IdIndex } from '../src/storage/id-index.ts';
import { randomFrom, range } from './helpers.ts';

/** An index over slots, beside a `Map` that must always say the same. */
class Indexed {
  readonly slotOf = new Map<string, number>();
  readonly #ids: (string | undefined)[] = [];
  readonly #index = new IdIndex((slot) => this.#ids[slot]);

  get freeSlots(): number[] {
    return range(this.#ids.length).filter((slot) => this.#ids[slot] === undefined);
  }

  get takenSlots(): number[] {
    return [...this.slotOf.values()];
  }

  grow(slots: number): void {
    while (this.#ids.length < slots) this.#ids.push(undefined);
    this.#index.grow(slots);
  }

  add(id: string, slot: number): void {
    this.#index.add(slot, hashOf(id));
    this.#ids[slot] = id;
    this.slotOf.set(id, slot);
  }

  delete(slot: number): void {
    this.#index.delete(slot);
    this.slotOf.delete(this.#ids[slot] as string);
    this.#ids[slot] = undefined;
  }

  /** In the way of a ring: the new id takes the slot of the one it makes forgotten. */
  replace(id: string, slot: number): void {
    this.#index.delete(slot);
    this.slotOf.delete(this.#ids[slot] as string);
    this.#index.add(slot, hashOf(id));
    this.#ids[slot] = id;
    this.slotOf.set(id, slot);
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
  const ids = ['one', 'other', 'third'];
  const index = new IdIndex((slot) => ids[slot]);
  index.grow(3);
  for (const slot of [1, 0, 2]) index.add(slot, hashOf('one'));
  expect(index.find('one')).toBe(0);
  index.delete(0);
  expect(index.find('one')).toBe(-1);
});

it('finds what a `Map` would find, through additions, deletions and growth', () => {
  const ids = range(64).map((at) => `order-${at}`);
  const action = fc.record({
    act: fc.constantFrom('add', 'add', 'add', 'delete', 'replace', 'grow'),
    id: fc.constantFrom(...ids),
    at: fc.nat(),
  });
  const actions = fc.array(action, { maxLength: 150, size: 'max' });
  const property = fc.property(fc.integer({ min: 1, max: 20 }), actions, (slots, all) => {
    const indexed = new Indexed();
    indexed.grow(slots);
    let size = slots;
    for (const { act, id, at } of all) {
      const slotsOf = act === 'add' ? indexed.freeSlots : indexed.takenSlots;
      const slot = slotsOf[at % slotsOf.length];
      if (act === 'grow' && size < 40) {
        size += 1 + (at % 7);
        indexed.grow(size);
      } else if (slot !== undefined) {
        if (act === 'add' && !indexed.slotOf.has(id)) indexed.add(id, slot);
        else if (act === 'replace' && !indexed.slotOf.has(id)) indexed.replace(id, slot);
        else if (act === 'delete') indexed.delete(slot);
      }
      indexed.check(ids);
    }
  });
  fc.assert(property, { numRuns: 200 });
});

it('tells any two strings apart', () => {
  const strings = fc.uniqueArray(fc.string({ unit: 'binary' }), { minLength: 1, maxLength: 30 });
  const property = fc.property(strings, fc.string({ unit: 'binary' }), (ids, other) => {
    const indexed = new Indexed();
    indexed.grow(ids.length);
    for (const [slot, id] of ids.entries()) indexed.add(id, slot);
    indexed.check([...ids, other, ...ids.map((id) => `${id}\0`)]);
  });
  fc.assert(property);
});

it('finds exactly what is there when full, after a long life', () => {
  const slots = 1_000;
  const random = randomFrom(7);
  const indexed = new Indexed();
  indexed.grow(slots);
  for (const slot of range(slots)) indexed.add(`id-${slot}`, slot);
  for (const at of range(50_000)) {
    const slot = Math.floor(random() * slots);
    indexed.replace(`id-${slots + at}`, slot);
  }
  expect(indexed.slotOf.size).toBe(slots);
  indexed.check(range(51_000).map((at) => `id-${at}`));
});
