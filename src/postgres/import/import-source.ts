import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { Awaitable } from '../../core/runtime/awaitable.ts';
import { checkMethods } from '../../core/runtime/checks.ts';
import type { StoredBalance } from '../../core/storage/history/history-storage.ts';
import type { StoredHold } from '../../core/storage/holds/hold.ts';
import type { OrderStorage } from '../../core/storage/order-storage.ts';

/** What a storage needs to be moved from. */
type Source = Pick<OrderStorage, 'id' | 'shared' | 'settled' | 'list' | 'holds' | 'payloads'> & {
  readonly balances: NonNullable<OrderStorage['balances']>;
  /** Looks for damage, where there is one. */
  check?(): Awaitable<readonly string[]>;
};

/** What a source had when the import began: it must not change until the import has finished. */
export interface SourceMark {
  /** Identifies it. */
  readonly id: string;
  /** The last settlement. */
  readonly last: number;
  /** Settlements up to this one may be missing. */
  readonly forgotten: number;
  /** The greatest `sequence`. */
  readonly newest: number;
}

/** Some of what a source has. */
export interface SourcePage<Item, Place> {
  readonly items: readonly Item[];
  /** Where the next page begins; `undefined` after the last one. */
  readonly next: Place | undefined;
}

/** The source is not as it must be: another call would find the same. */
export class UnusableSource extends Error {}

/** How many orders or holds a page has, and how many balances. */
const pageItems = 500;
const pageBalances = 1_000;

/** About how many bytes a page of unsettled orders has at most. */
const pageBytes = 4_000_000;

const methods = ['settled', 'list', 'holds', 'balances'] as const;

/** Reads a storage through the contract alone. */
export class ImportSource {
  readonly #source: Source;

  /** @throws TypeError for a storage that cannot be moved from */
  constructor(source: OrderStorage) {
    checkMethods('source', source, methods);
    if (source.shared !== undefined) {
      throw new TypeError(
        'Expected `source` to be of one processor, got a storage that processors share: copy a schema by `pg_dump`',
      );
    }
    this.#source = source as Source;
  }

  /** Whether what it gives is JSON. */
  get isJson(): boolean {
    return this.#source.payloads === 'json';
  }

  /** @throws (rejects) UnusableSource if it finds itself damaged */
  async check(): Promise<void> {
    const problems = (await this.#source.check?.()) ?? [];
    const [first] = problems;
    if (first === undefined) return;
    const more = problems.length === 1 ? '' : ` (and ${problems.length - 1} more)`;
    throw new UnusableSource(
      `The source is damaged, and nothing was taken over. Its \`check()\` says: ${first}${more}`,
    );
  }

  async mark(): Promise<SourceMark> {
    const { last, forgotten } = await this.#source.settled({ after: 0, limit: 1 });
    return { id: this.#source.id, last, forgotten, newest: await this.#newest() };
  }

  async #newest(): Promise<number> {
    for (let before: number | undefined; ; ) {
      const { orders, next } = await this.#source.list({ before, limit: 1 });
      const sequence = orders[0]?.sequence ?? (next === undefined ? 0 : undefined);
      if (sequence !== undefined) return sequence;
      before = next;
    }
  }

  /** @throws (rejects) UnusableSource unless it is as it was */
  async checkUnchanged(mark: SourceMark): Promise<void> {
    const now = await this.mark();
    const isSame =
      now.last === mark.last && now.forgotten === mark.forgotten && now.newest === mark.newest;
    if (!isSame) throw changed();
  }

  /** The last time up to which a user's balance may be forgotten; `undefined` if the source has all movements. */
  async knownFrom({ forgotten }: SourceMark): Promise<number | undefined> {
    let knownFrom: number | undefined;
    if (forgotten === 0) return knownFrom;
    for (let after: string | undefined; ; ) {
      const { items, next } = await this.balances(after);
      for (const { knownFrom: from } of items) {
        if (from !== undefined) knownFrom = Math.max(from, knownFrom ?? from);
      }
      if (next === undefined) return knownFrom;
      after = next;
    }
  }

  /** The settled orders in the order applied. */
  async settled(
    { last, forgotten }: SourceMark,
    after = 0,
  ): Promise<SourcePage<StoredOrder, number>> {
    const page = await this.#source.settled({ after, limit: pageItems });
    if (page.last !== last || page.forgotten !== forgotten) throw changed();
    const isEnd = page.next >= last;
    if (!isEnd && page.next <= after) throw doesNotGoOn('settled');
    return { items: page.orders, next: isEnd ? undefined : page.next };
  }

  /** The orders that `settled` does not give, from the newest on: unsettled ones, and those that it has forgotten. */
  async others(
    { forgotten }: SourceMark,
    before: number | undefined,
  ): Promise<SourcePage<StoredOrder, number>> {
    const status = forgotten === 0 ? 'pending' : undefined;
    const { orders, next } = await this.#source.list({
      ...{ before, status, limit: pageItems, maxBytes: pageBytes },
    });
    if (next !== undefined && next >= (before ?? Number.POSITIVE_INFINITY)) {
      throw doesNotGoOn('list');
    }
    return { items: orders.filter(({ settlement = 0 }) => settlement <= forgotten), next };
  }

  async balances(after: string | undefined): Promise<SourcePage<StoredBalance, string>> {
    const items = await this.#source.balances({ after, limit: pageBalances });
    return { items, next: items.length < pageBalances ? undefined : items.at(-1)?.userId };
  }

  async holds(after: string | undefined): Promise<SourcePage<StoredHold, string>> {
    const items = await this.#source.holds({ after, limit: pageItems });
    return { items, next: items.length < pageItems ? undefined : items.at(-1)?.userId };
  }
}

function changed(): UnusableSource {
  return new UnusableSource(
    'The source has changed since the import began: no processor and no retention may use it meanwhile. Drop the schema, and begin again',
  );
}

function doesNotGoOn(method: string): UnusableSource {
  return new UnusableSource(`Expected \`${method}\` of the source to go on with each page`);
}
