/** A walk over all pages gives each order once, during any other calls. */
import fc from 'fast-check';
import { MemoryStorage, OrderProcessor, type OrderQuery, type Step } from 'order-processor';
import { afterEach, describe, expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { range } from '../kit/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { HostStorage } from './model/host-storage.ts';

const folder = useFolder();
const { now } = Date;
afterEach(() => {
  Date.now = now;
});

/** What happens while a page is read. */
type Deed = 'accept' | 'accept many' | 'settle' | 'settle many' | 'clock back' | 'clock on';

const deeds = fc.array(
  fc.constantFrom<Deed>('accept', 'accept many', 'settle', 'settle many', 'clock back', 'clock on'),
  { maxLength: 4 },
);
const plans = fc.record({
  limit: fc.integer({ min: 1, max: 7 }),
  before: fc.integer({ min: 0, max: 30 }),
  settled: fc.integer({ min: 0, max: 30 }),
  isOfUser: fc.boolean(),
  pages: fc.array(deeds, { maxLength: 12 }),
});

type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never;

/** Orders that wait until they are released. */
class World {
  readonly processor: OrderProcessor;
  /** In the order of acceptance. */
  readonly accepted: string[] = [];
  readonly #running: (() => void)[] = [];
  #next = 0;
  #offMs = 0;

  constructor(storage: NonNullable<ConstructorParameters<typeof OrderProcessor>[0]>['storage']) {
    Date.now = () => now() + this.#offMs;
    const step: Step = {
      name: 'waits',
      run: () => new Promise<void>((resolve) => this.#running.push(resolve)),
    };
    this.processor = new OrderProcessor({ storage, steps: [step], concurrency: 1_000 });
  }

  async accept(count: number): Promise<void> {
    for (const _ of range(count)) {
      const id = `o-${(this.#next * 7_919) % 1_000}`;
      this.#next += 1;
      // Of some users, so that some wait for others.
      await this.processor.enqueue({ id, userId: `u-${this.#next % 5}`, amount: 1 });
      this.accepted.push(id);
    }
  }

  async settle(count: number): Promise<void> {
    for (const _ of range(count)) {
      // Neither the first nor the last.
      const at = Math.floor(this.#running.length / 3);
      for (const release of this.#running.splice(at, 1)) release();
      await new Promise(setImmediate);
    }
  }

  async do(deed: Deed): Promise<void> {
    if (deed === 'accept') await this.accept(1);
    else if (deed === 'accept many') await this.accept(6);
    else if (deed === 'settle') await this.settle(1);
    else if (deed === 'settle many') await this.settle(5);
    else {
      this.#offMs += deed === 'clock on' ? 3_600_000 : -3_600_000;
      await new Promise(setImmediate);
    }
  }

  /** All pages, with the deeds of each beside it. */
  async walk(query: OrderQuery, pages: readonly (readonly Deed[])[]): Promise<string[]> {
    const ids: string[] = [];
    let cursor: string | undefined;
    for (let at = 0; at < 300; at += 1) {
      const page = this.processor.orders({ ...query, cursor });
      for (const deed of pages[at] ?? []) await this.do(deed);
      const { orders, cursor: next } = await page;
      ids.push(...orders.map(({ id }) => id));
      if (next === undefined) return ids;
      cursor = next;
    }
    throw new Error('The pages do not end');
  }

  async end(): Promise<void> {
    const shutdown = this.processor.shutdown();
    let isOver = false;
    void shutdown.then(() => {
      isOver = true;
    });
    while (!isOver) {
      for (const release of this.#running.splice(0)) release();
      await new Promise(setImmediate);
    }
  }
}

async function check(world: World, plan: Plan): Promise<void> {
  const { limit, before, settled, isOfUser, pages } = plan;
  const userId = isOfUser ? 'u-1' : undefined;
  try {
    await world.processor.ready;
    await world.accept(before);
    await world.settle(settled);
    const there = [...world.accepted];
    const wanted = (id: string): boolean =>
      userId === undefined || (world.accepted.indexOf(id) + 1) % 5 === 1;
    const listed = await world.walk({ limit, userId }, pages);
    expect(new Set(listed).size).toBe(listed.length);
    expect(listed.filter((id) => there.includes(id))).toEqual(there.filter(wanted).toReversed());
    const places = listed.map((id) => world.accepted.indexOf(id));
    expect(places).toEqual(places.toSorted((one, other) => other - one));
    // A second walk, with nothing beside it, is the whole list.
    const all = await world.walk({ limit: 1_000, userId }, []);
    expect(all).toEqual(world.accepted.filter(wanted).toReversed());
  } finally {
    await world.end();
  }
}

describe('the pages of a list have each order once, the one accepted last first', () => {
  const storages = {
    'in memory': () => new MemoryStorage(),
    'beside balances of a host': () => new HostStorage([]),
    'in a storage of a host that keeps orders': () => new KeptStorage(),
  };
  it.each(Object.entries(storages))('%s', { timeout: 60_000 }, async (_, create) => {
    const property = fc.asyncProperty(plans, (plan) => check(new World(create()), plan));
    await fc.assert(property, { numRuns: isFull ? 60 : 25 });
  });

  it('in a file', { timeout: 60_000 }, async () => {
    let files = 0;
    const property = fc.asyncProperty(plans, async (plan) => {
      files += 1;
      await check(new World(await folder.open({ durability: 'relaxed' }, `${files}`)), plan);
    });
    await fc.assert(property, { numRuns: isFull ? 10 : 4 });
  });
});
