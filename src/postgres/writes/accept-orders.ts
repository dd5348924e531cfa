import { randomBytes } from 'node:crypto';
import type { NewOrder, StoredOrder } from '../../core/order/stored-order.ts';
import { quote } from '../../core/runtime/thrown.ts';
import type { AcceptResult } from '../../core/storage/order-storage.ts';
import type { Life } from '../members/life.ts';
import type { Membership } from '../members/membership.ts';
import { listNotes } from '../notes/accept-note.ts';
import { delayedNote } from '../notes/partitions/due-orders.ts';
import { isLocked, isLockedRow, isOfOneOrder } from '../sessions/errors.ts';
import type { Statement, Value } from '../sessions/session.ts';
import {
  acceptStatement,
  acceptTimedStatement,
  columnArrays,
  type InsertedRow,
  noteStatement,
  probe,
} from '../statements/accept.ts';
import { sendNotes } from '../statements/notify.ts';
import { type AcceptedColumns, acceptedColumnsOf } from '../values/accepted-columns.ts';
import { acceptedOrder } from '../values/accepted-order.ts';
import { toKept } from '../values/kept-text.ts';
import { integersOf, plainArray } from '../values/literals.ts';
import { partitionOf } from '../values/partition.ts';
import { TakenIds } from './ids/taken-ids.ts';
import { type KnownResult, knownOrders } from './known-orders.ts';

/** Takes more room than any page has left, even compressed. */
const probeText = randomBytes(8_192).toString('hex');

/**
 * For how long locks are waited for, in milliseconds: that of a table, which a migration has for a moment; that of an id,
 * where a host's transaction is known to take one; and that of one more after some of a call were waited for in vain.
 */
const lockMs = { table: 1_000, id: 20, furtherId: 1 } as const;

/** How many ids of one call are waited for as long as one. */
const someLocked = 8;

/** What became of an order: it is kept, its id is taken, or why the database refuses it. */
type Kept = StoredOrder | undefined | { readonly error: unknown };

function isStored(kept: Kept): kept is StoredOrder {
  return kept !== undefined && !('error' in kept);
}

/** Keeps orders; see `OrderStorage.accept`. */
export class AcceptOrders {
  readonly #members: Membership;
  readonly #partitions: number;
  readonly #taken = new TakenIds();
  #calls = 0;

  constructor(members: Membership, partitions: number) {
    this.#members = members;
    this.#partitions = partitions;
  }

  async accept(orders: readonly NewOrder[]): Promise<readonly AcceptResult[]> {
    const { life } = this.#members;
    if (orders.length === 0) return this.#probe(life);
    this.#calls += 1;
    const call = this.#calls;
    const kept = await this.#keep(life, call, orders);
    const own = new Map<string, StoredOrder>();
    const awaited: StoredOrder[] = [];
    const results = kept.map((order, at): AcceptResult | undefined => {
      if (order === undefined) return undefined;
      if (!isStored(order)) return { status: 'failed', error: order.error };
      own.set(order.id, order);
      if (orders[at]?.isAwaited !== false) awaited.push(order);
      return { status: 'kept', sequence: order.sequence };
    });
    this.#members.awaits(awaited);
    if (own.size === orders.length) return results as AcceptResult[];
    return this.#withKnown(life, orders, results, own);
  }

  async #probe(life: Life): Promise<readonly AcceptResult[]> {
    await life.accept.transaction(async () => {
      await life.accept.query(probe.insert, [probeText]);
      await life.accept.query(probe.remove);
    });
    return [];
  }

  async #keep(life: Life, call: number, orders: readonly NewOrder[]): Promise<readonly Kept[]> {
    const split = this.#taken.split(orders);
    if (split === undefined) return this.#keepFree(life, call, orders);
    const { free, apart } = split;
    const kept = new Map<NewOrder, Kept>();
    const others = free.length === 0 ? [] : await this.#keepFree(life, call, free);
    for (const [at, order] of free.entries()) kept.set(order, others[at]);
    const late = await this.#keepOneByOne(life, call, apart, lockMs.id);
    for (const [at, order] of apart.entries()) kept.set(order, late[at]);
    return orders.map((order) => kept.get(order));
  }

  async #keepFree(life: Life, call: number, orders: readonly NewOrder[]): Promise<readonly Kept[]> {
    try {
      const kept = await life.accept.alone(() => this.#keepAll(life, call, orders));
      const timed = kept.filter((order) => order?.notBefore !== undefined) as StoredOrder[];
      if (timed.length > 0) await this.#noteDelayed(life, timed);
      return kept;
    } catch (error) {
      if (!isOfOneOrder(error) && !isLocked(error)) throw error;
      const isOfTable = isLocked(error) && !isLockedRow(error);
      return this.#keepOneByOne(life, call, orders, isOfTable ? lockMs.table : lockMs.id);
    }
  }

  async #keepAll(
    life: Life,
    call: number,
    orders: readonly NewOrder[],
  ): Promise<readonly (StoredOrder | undefined)[]> {
    const { channels } = this.#members;
    const columns = this.#columnsOf(orders);
    const values = valuesOf(life, call, orders, columns);
    const { accept } = life;
    const [answer, note] = accept.together(() => [
      accept.query<InsertedRow>(statementFor(orders), values),
      accept.query(noteStatement, [channels.accepted, `${life.number} ${call} `]),
    ]);
    // The answer tells, if both fail.
    note.catch(() => {});
    const [row] = await answer;
    const kept = keptOf(orders, row);
    const delayed = new Set(integersOf(row?.delayed ?? null));
    const isDue = (order: StoredOrder | undefined): order is StoredOrder =>
      order !== undefined && !delayed.has(order.sequence);
    const parts = columns.filter((_, at) => isDue(kept[at])).map(({ part }) => part);
    const owned = row?.owned ?? null;
    this.#members.accepted(life, { call, orders: kept.filter(isDue), parts, owned });
    await note;
    return kept;
  }

  #columnsOf(orders: readonly NewOrder[]): readonly AcceptedColumns[] {
    return orders.map((order) => acceptedColumnsOf(order, this.#partitions));
  }

  /** In one transaction, without the orders that the database refuses, or whose ids a host's transaction is taking. */
  async #keepOneByOne(
    life: Life,
    call: number,
    orders: readonly NewOrder[],
    waitMs: number,
  ): Promise<readonly Kept[]> {
    const { accept } = life;
    let locked = 0;
    const wait = (ms: number) => accept.query(`SET LOCAL lock_timeout = ${ms}`);
    const keepSome = async (some: readonly NewOrder[]): Promise<readonly Kept[]> => {
      await accept.query('SAVEPOINT half');
      try {
        const values = valuesOf(life, call, some, this.#columnsOf(some));
        const [row] = await accept.query<InsertedRow>(statementFor(some), values);
        return keptOf(some, row);
      } catch (error) {
        if (!isOfOneOrder(error) && !isLockedRow(error)) throw error;
        await accept.query('ROLLBACK TO half');
        const [one] = some;
        if (some.length === 1 && isLocked(error)) {
          locked += 1;
          if (locked === someLocked) await wait(lockMs.furtherId);
          this.#taken.add((one as NewOrder).id);
          return [{ error: idIsBeingTaken(error) }];
        }
        if (some.length === 1) return [{ error }];
        const half = some.length >> 1;
        return [...(await keepSome(some.slice(0, half))), ...(await keepSome(some.slice(half)))];
      }
    };
    const kept = await accept.transaction(async () => {
      await wait(waitMs);
      return keepSome(orders);
    });
    for (const [at, { id }] of orders.entries()) {
      const each = kept[at];
      if (each === undefined || isStored(each)) this.#taken.delete(id);
    }
    await this.#note(life, kept.filter(isStored));
    return kept;
  }

  /** Notifies of unsettled orders one by one: no note of their transaction was sent, or perhaps none. */
  async #note(life: Life, orders: readonly StoredOrder[]): Promise<void> {
    const { accepted: channel } = this.#members.channels;
    const listed = this.#withParts(orders);
    await sendNotes(
      life.accept,
      listNotes(listed).map((note) => ({ channel, note })),
    );
    const timed = orders.filter(({ notBefore }) => notBefore !== undefined);
    if (timed.length > 0) await this.#noteDelayed(life, timed);
  }

  /** Notifies of orders whose time may not have come. */
  async #noteDelayed(life: Life, orders: readonly StoredOrder[]): Promise<void> {
    const { accepted: channel } = this.#members.channels;
    const note = delayedNote(this.#withParts(orders));
    await sendNotes(life.accept, [{ channel, note }]);
  }

  #withParts(orders: readonly StoredOrder[]) {
    return orders.map(({ sequence, userId, notBefore }) => {
      return { sequence, notBefore, part: partitionOf(toKept(userId), this.#partitions) };
    });
  }

  /** Answers the orders whose ids are taken. */
  async #withKnown(
    life: Life,
    orders: readonly NewOrder[],
    results: readonly (AcceptResult | undefined)[],
    own: ReadonlyMap<string, StoredOrder>,
  ): Promise<readonly AcceptResult[]> {
    const isTaken = (at: number, id: string): boolean => results[at] === undefined && !own.has(id);
    const taken = orders.filter(({ id }, at) => isTaken(at, id));
    const known = await knownOrders(
      life.read,
      taken.map(({ id }) => id),
    );
    await this.#await(life, taken, known);
    return orders.map(({ id }, at): AcceptResult => {
      const result = results[at] ?? known.get(id);
      if (result !== undefined) return result;
      const order = own.get(id);
      if (order !== undefined) return { status: 'known', order };
      throw new Error(`The order ${quote(id)} was there and is not`);
    });
  }

  /** Their owners hear of unsettled ones for certain, and their outcomes come here. */
  async #await(
    life: Life,
    taken: readonly NewOrder[],
    known: Map<string, KnownResult>,
  ): Promise<void> {
    const unsettled = new Map<string, StoredOrder>();
    for (const [id, result] of known) {
      if (result.status === 'known' && result.order.status === 'pending') {
        unsettled.set(id, result.order);
      }
    }
    await this.#note(life, [...unsettled.values()]);
    const awaited = taken.filter(({ id, isAwaited }) => isAwaited !== false && unsettled.has(id));
    if (awaited.length === 0) return;
    const ids = [...new Set(awaited.map(({ id }) => id))];
    const watched = await this.#members.watch(ids);
    for (const [at, id] of ids.entries()) {
      const order = watched[at];
      if (order !== undefined) known.set(id, { status: 'known', order });
    }
  }
}

function idIsBeingTaken(cause: unknown): Error {
  return new Error(
    'Another open transaction has an order with this id; try again when it has ended',
    {
      cause,
    },
  );
}

function statementFor(orders: readonly NewOrder[]): Statement {
  const areTimed = orders.some(({ notBefore }) => notBefore !== undefined);
  return areTimed ? acceptTimedStatement : acceptStatement;
}

function valuesOf(
  life: Life,
  call: number,
  orders: readonly NewOrder[],
  columns: readonly AcceptedColumns[],
): Value[] {
  const areAwaited = plainArray(orders.map(({ isAwaited }) => isAwaited !== false));
  return [...columnArrays(columns), areAwaited, life.number, call];
}

/** For each order what it is kept as; `undefined` if its id was taken. */
function keptOf(
  orders: readonly NewOrder[],
  row: InsertedRow | undefined,
): readonly (StoredOrder | undefined)[] {
  if (row === undefined) throw new Error('Expected an answer to `accept`, got none');
  const drawn = integersOf(row.drawn);
  const kept = row.count === orders.length ? undefined : new Set(integersOf(row.kept));
  return orders.map((order, at) => {
    const sequence = drawn[at] as number;
    return kept === undefined || kept.has(sequence) ? acceptedOrder(order, sequence) : undefined;
  });
}
