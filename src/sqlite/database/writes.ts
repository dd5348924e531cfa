import type { DatabaseSync } from 'node:sqlite';
import { quote } from '../../core/runtime/thrown.ts';
import { isOfOneOrder } from '../failures.ts';
import { HoldRows } from '../holds/hold-rows.ts';
import { notedJson } from '../holds/noted-outcome.ts';
import {
  asOrdered,
  type Completing,
  type Credit,
  creditsAsOrdered,
  type Ending,
  type Fields,
  type Incoming,
  noData,
  pending,
  readCredits,
  readData,
  readFields,
  readSettlement,
  refused,
} from '../incoming.ts';
import type { WriteKind } from '../thread/calls.ts';
import { results } from '../thread/codec.ts';
import { type Message, Reader, Writer } from '../thread/wire.ts';
import { Balances, type Refusal } from './accounts/balances.ts';
import { Credits, jsonOf, writeApplied } from './accounts/credits.ts';
import { Settlements } from './history/settlements.ts';
import { OrderRows } from './order-rows.ts';
import { Pruning } from './pruning/pruning.ts';
import type { Reads } from './reads.ts';
import { type Row, writeRow } from './rows.ts';

/** Where `settled_at` stands in a row. */
const SETTLED_AT = 7;

/** Makes calls inside a transaction that `Database` begins and ends. */
export class Writes {
  readonly balances: Balances;
  readonly rows: OrderRows;
  readonly settlements: Settlements;
  readonly #credits: Credits;
  readonly #db: DatabaseSync;
  readonly #life: number;
  readonly #reads: Reads;
  readonly #holds: HoldRows;
  readonly #pruning: Pruning;
  readonly #writer = new Writer(0);
  #isEachAlone = false;
  readonly #failedUsers = new Set<string>();

  constructor(db: DatabaseSync, reads: Reads, life: number) {
    this.balances = new Balances(db);
    this.rows = new OrderRows(db, life);
    this.settlements = new Settlements(db);
    this.#credits = new Credits(db, this.balances);
    this.#db = db;
    this.#reads = reads;
    this.#holds = new HoldRows(db);
    this.#pruning = new Pruning(db, this.balances);
    this.#life = life;
  }

  /** @param isEachAlone - orders that are accepted or settled may fail each by itself */
  write(kind: WriteKind, message: Message, isEachAlone = false): Message {
    this.#isEachAlone = isEachAlone;
    this.#failedUsers.clear();
    this.#writer.clear();
    this[kind](new Reader(message), this.#writer);
    return this.#writer.take();
  }

  /** Forgets what is known of the file: it may have changed. */
  forget(): void {
    this.balances.clear();
    this.settlements.clear();
  }

  accept(reader: Reader, writer: Writer): void {
    const count = reader.number();
    if (count === 0) this.rows.probe();
    for (let index = 0; index < count; index += 1) {
      const fields = readFields(reader);
      readData(reader, fields);
      fields.postings = reader.maybeText();
      if (this.#isEachAlone) this.#alone(writer, undefined, () => this.#acceptOne(writer, fields));
      else this.#acceptOne(writer, fields);
    }
  }

  #acceptOne(writer: Writer, fields: Fields): void {
    if (this.rows.add(fields, pending)) {
      writer.number(results.done);
      writer.number(this.rows.sequence);
    } else this.#writeKnown(writer, fields.id, this.#reads.row(fields.id));
  }

  settle(reader: Reader, writer: Writer): void {
    const count = reader.number();
    for (let index = 0; index < count; index += 1) {
      const settlement = readSettlement(reader);
      const { fields } = settlement;
      if (this.#isEachAlone)
        this.#alone(writer, fields.userId, () => this.#settleOne(writer, settlement));
      else this.#settleOne(writer, settlement);
    }
  }

  /**
   * Accepts or settles one order in a savepoint, so that it may fail without the others.
   *
   * @param userId - whose later orders fail with it, so that none overtakes it
   */
  #alone(writer: Writer, userId: string | undefined, treat: () => void): void {
    const mark = writer.mark();
    const settled = this.settlements.mark();
    // If this one fails, balances that earlier calls of the transaction have changed must be in the file.
    this.balances.write();
    this.#db.exec('SAVEPOINT one');
    try {
      if (userId !== undefined && this.#failedUsers.has(userId))
        throw new Error('An earlier order of its user has failed');
      treat();
      this.balances.write();
      this.#db.exec('RELEASE one');
    } catch (error) {
      if (!isOfOneOrder(error) || !this.#db.isTransaction) throw error;
      this.#db.exec('ROLLBACK TO one; RELEASE one');
      this.balances.clear();
      if (userId !== undefined) this.#failedUsers.add(userId);
      this.settlements.rewind(settled);
      writer.rewind(mark);
      writer.number(results.failed);
      writer.text((error as Error).message);
    }
  }

  #settleOne(writer: Writer, settlement: Incoming): void {
    const { fields, ending, isAccepted } = settlement;
    if (settlement.isProvisional) {
      this.#noteDecided(writer, settlement);
    } else if (ending.status === 'completed') {
      this.#complete(writer, settlement);
    } else {
      fields.postings = isAccepted ? null : jsonOf(settlement.postings);
      const isDone = this.#end(fields, ending, isAccepted);
      if (isDone && settlement.endsHold) this.#holds.settled(fields.userId, fields.id);
      this.#answer(writer, fields, isDone, results.done, undefined);
    }
  }

  /** Records an outcome as the next settlement. */
  #end(fields: Fields, ending: Ending, isAccepted: boolean): boolean {
    ending.settlement = this.settlements.next;
    const isDone = this.rows.end(fields, ending, isAccepted);
    if (isDone) this.settlements.add(this.rows.sequence, ending.settledAt as number);
    return isDone;
  }

  #complete(writer: Writer, settlement: Completing): void {
    const { fields, ending, isAccepted, isCompensable, minBalance, postings } = settlement;
    const { orderedAmount } = settlement;
    const account = this.balances.of(fields.userId);
    const after = this.balances.after(account, fields.amount, minBalance);
    const applied = typeof after === 'number' ? this.#credits.after(postings) : undefined;
    if (typeof after !== 'number' || applied === undefined) {
      const refusal = typeof after === 'number' ? results.balanceOverflow : after.refusal;
      this.#refuse(writer, settlement, refusal, isCompensable);
      return;
    }
    ending.balance = after;
    fields.postings = jsonOf(applied);
    if (isAccepted) {
      fields.sequence = this.rows.seqOf(fields);
      ending.isLate = fields.sequence < account.last ? 1 : null;
    }
    const isDone = this.#end(fields, ending, isAccepted);
    if (isDone) {
      account.last = Math.max(account.last, this.rows.sequence);
      this.balances.set(account, after);
      this.#credits.post(applied, ending.settlement as number, this.rows.sequence);
      if (orderedAmount !== null) this.rows.lower(fields.amount, orderedAmount);
    }
    if (applied.length === 0) this.#answer(writer, fields, isDone, results.done, after);
    else {
      const balances = applied.map(({ balance }) => balance);
      this.#answer(writer, fields, isDone, results.posted, after, balances.length, ...balances);
    }
  }

  #refuse(
    writer: Writer,
    { fields, ending, isAccepted, postings, orderedAmount }: Completing,
    refusal: Refusal,
    isCompensable: boolean,
  ): void {
    fields.postings = isAccepted ? null : jsonOf(creditsAsOrdered(postings));
    const isDone = isCompensable
      ? this.#isOpen(fields.id, isAccepted)
      : this.#end(asOrdered(fields, orderedAmount), refused(ending, refusal), isAccepted);
    this.#answer(writer, fields, isDone, refusal);
  }

  /** Whether an order can still be settled. */
  #isOpen(id: string, isAccepted: boolean): boolean {
    const row = this.#reads.row(id);
    return row === undefined ? !isAccepted : isAccepted && row[SETTLED_AT] === null;
  }

  #noteDecided(writer: Writer, settlement: Incoming): void {
    const { fields, isAccepted } = settlement;
    const isOpen = this.#isOpen(fields.id, isAccepted);
    if (isOpen) this.rows.note(fields.id, notedJson(settlement, this.#reads.row(fields.id)));
    this.#answer(writer, fields, isOpen, results.done, undefined);
  }

  readonly remember = (reader: Reader, writer: Writer) => this.rows.remember(reader, writer);
  readonly amend = (reader: Reader) => this.rows.amend(reader.text(), reader.maybeText());

  apply(reader: Reader, writer: Writer): void {
    const now = reader.number();
    const count = reader.number();
    for (let index = 0; index < count; index += 1) {
      const id = reader.text();
      const userId = reader.text();
      const amount = reader.number();
      const minBalance = reader.maybeNumber();
      const postings = readCredits(reader);
      this.#applyOne(writer, { id, userId, amount, minBalance, postings, now });
    }
  }

  #applyOne(
    writer: Writer,
    change: {
      readonly id: string;
      readonly userId: string;
      readonly amount: number;
      readonly minBalance: number | null;
      readonly postings: readonly Credit[];
      readonly now: number;
    },
  ): void {
    const { id, userId, amount, now } = change;
    const known = this.#reads.row(id);
    if (known !== undefined) {
      writeApplied(writer, id, known);
      return;
    }
    const order = { id, userId, amount, priority: 'medium', acceptedAt: now, sequence: 0 };
    const fields = { ...order, ...noData };
    const ending = { ...pending, status: 'completed', startedAt: now, settledAt: now };
    const { minBalance, postings } = change;
    const flags = { isAccepted: false, isCompensable: false, orderedAmount: null };
    this.#complete(writer, { fields, ending, ...flags, minBalance, postings });
  }

  readonly prune = (reader: Reader, writer: Writer) => this.#pruning.prune(reader, writer);
  readonly retain = (reader: Reader, writer: Writer) => this.#pruning.retain(reader, writer);

  hold(reader: Reader): void {
    this.#holds.hold(reader);
  }

  release(reader: Reader): void {
    this.#holds.release(reader);
  }

  #answer(
    writer: Writer,
    { id, userId }: Pick<Fields, 'id' | 'userId'>,
    isDone: boolean,
    result: number,
    ...numbers: readonly (number | undefined)[]
  ): void {
    if (isDone) {
      writer.number(result);
      for (const number of numbers) writer.number(number);
      return;
    }
    const row = this.#reads.row(id);
    if (row === undefined) {
      // It was accepted, and was deleted at a shell. An error here would come again at each try.
      const isPosted = result === results.posted;
      writer.number(isPosted ? result : results.done);
      writer.number(this.balances.get(userId) ?? 0);
      if (isPosted) for (const number of numbers.slice(1)) writer.number(number);
    } else this.#writeKnown(writer, id, row);
  }

  #writeKnown(writer: Writer, id: string, row: Row | undefined): void {
    if (row === undefined) throw new Error(`The order ${quote(id)} was there and is not`);
    writer.number(results.known);
    writeRow(writer, row, this.#life);
  }
}
