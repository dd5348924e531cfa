import type { DatabaseSync } from 'node:sqlite';
import { quote } from '../../core/runtime/thrown.ts';
import { isOfOneOrder } from '../failures.ts';
import {
  type Ending,
  type Fields,
  type Incoming,
  noData,
  pending,
  readData,
  readFields,
  readSettlement,
} from '../incoming.ts';
import type { WriteKind } from '../thread/calls.ts';
import { results } from '../thread/codec.ts';
import { type Message, Reader, Writer } from '../thread/wire.ts';
import { beyond } from '../unreadable.ts';
import { Balances } from './balances.ts';
import { OrderRows } from './order-rows.ts';
import { prune } from './prune.ts';
import type { Reads } from './reads.ts';
import { isReadable, type Row, writeRow } from './rows.ts';

/** Where `settled_at` stands in a row. */
const SETTLED_AT = 7;

/** Makes calls inside a transaction that `Database` begins and ends. */
export class Writes {
  readonly balances: Balances;
  readonly rows: OrderRows;
  readonly #db: DatabaseSync;
  readonly #life: number;
  readonly #reads: Reads;
  readonly #writer = new Writer(0);
  #isEachAlone = false;
  readonly #failedUsers = new Set<string>();

  constructor(db: DatabaseSync, reads: Reads, life: number) {
    this.balances = new Balances(db);
    this.rows = new OrderRows(db, life);
    this.#db = db;
    this.#reads = reads;
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

  accept(reader: Reader, writer: Writer): void {
    const count = reader.number();
    if (count === 0) this.rows.probe();
    for (let index = 0; index < count; index += 1) {
      const fields = readFields(reader);
      readData(reader, fields);
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
      writer.rewind(mark);
      writer.number(results.failed);
      writer.text((error as Error).message);
    }
  }

  #settleOne(writer: Writer, settlement: Incoming): void {
    const { fields, ending, isAccepted } = settlement;
    if (settlement.isProvisional) {
      this.#noteDecided(writer, fields, ending, isAccepted);
    } else if (ending.status === 'completed') {
      this.#complete(writer, settlement);
    } else {
      const isDone = this.rows.end(fields, { ...ending, balance: null, decided: null }, isAccepted);
      this.#answer(writer, fields, isDone, results.done, undefined);
    }
  }

  #complete(writer: Writer, settlement: Omit<Incoming, 'isProvisional'>): void {
    const { fields, ending, isAccepted, isCompensable, minBalance } = settlement;
    const { id, userId, amount } = fields;
    const after = this.balances.after(userId, amount, minBalance);
    if (typeof after === 'number') {
      const isDone = this.rows.end(
        fields,
        { ...ending, balance: after, decided: null },
        isAccepted,
      );
      if (isDone) this.balances.set(userId, after);
      this.#answer(writer, fields, isDone, results.done, after);
      return;
    }
    const { refusal } = after;
    const isDone = isCompensable
      ? this.#isOpen(id, isAccepted)
      : this.rows.end(fields, refused(ending, refusal), isAccepted);
    this.#answer(writer, fields, isDone, refusal);
  }

  /** Whether an order can still be settled. */
  #isOpen(id: string, isAccepted: boolean): boolean {
    const row = this.#reads.row(id);
    return row === undefined ? !isAccepted : isAccepted && row[SETTLED_AT] === null;
  }

  #noteDecided(
    writer: Writer,
    fields: Fields,
    ending: Omit<Ending, 'balance' | 'decided'>,
    isAccepted: boolean,
  ): void {
    const { status: outcome, code, message, retryable, cause: kept } = ending;
    const cause = kept === null ? undefined : JSON.parse(kept);
    const decided = JSON.stringify({ outcome, code, message, retryable: retryable === 1, cause });
    const isOpen = this.#isOpen(fields.id, isAccepted);
    if (isOpen) this.rows.note(fields.id, decided);
    this.#answer(writer, fields, isOpen, results.done, undefined);
  }

  amend(reader: Reader): void {
    const id = reader.text();
    this.rows.amend(id, reader.maybeText());
  }

  apply(reader: Reader, writer: Writer): void {
    const now = reader.number();
    const count = reader.number();
    for (let index = 0; index < count; index += 1) {
      const id = reader.text();
      const userId = reader.text();
      const amount = reader.number();
      const minBalance = reader.maybeNumber();
      this.#applyOne(writer, { id, userId, amount, minBalance, now });
    }
  }

  #applyOne(
    writer: Writer,
    change: {
      readonly id: string;
      readonly userId: string;
      readonly amount: number;
      readonly minBalance: number | null;
      readonly now: number;
    },
  ): void {
    const { id, userId, amount, now } = change;
    const known = this.#reads.row(id);
    if (known !== undefined) {
      writeApplied(writer, id, known);
      return;
    }
    const fields = { id, userId, amount, priority: 'medium', acceptedAt: now, ...noData };
    const ending = { ...pending, status: 'completed', startedAt: now, settledAt: now };
    const { minBalance } = change;
    const flags = { isAccepted: false, isCompensable: false };
    this.#complete(writer, { fields, ending, ...flags, minBalance });
  }

  prune(reader: Reader, writer: Writer): void {
    // Before the deletions of the same transaction.
    this.balances.write();
    prune(this.#db, reader, writer);
  }

  #answer(
    writer: Writer,
    { id, userId }: Pick<Fields, 'id' | 'userId'>,
    isDone: boolean,
    result: number,
    ...balance: readonly (number | undefined)[]
  ): void {
    if (isDone) {
      writer.number(result);
      if (balance.length > 0) writer.number(balance[0]);
      return;
    }
    const row = this.#reads.row(id);
    if (row === undefined) {
      // It was accepted, and was deleted at a shell. An error here would come again at each try.
      writer.number(results.done);
      writer.number(this.balances.get(userId) ?? 0);
    } else this.#writeKnown(writer, id, row);
  }

  #writeKnown(writer: Writer, id: string, row: Row | undefined): void {
    if (row === undefined) throw new Error(`The order ${quote(id)} was there and is not`);
    writer.number(results.known);
    writeRow(writer, row, this.#life);
  }
}

/** The refusal's message is the processor's own. */
function refused(ending: Omit<Ending, 'balance' | 'decided'>, refusal: number): Ending {
  const code = refusal === results.insufficientFunds ? 'insufficient_funds' : 'balance_overflow';
  const none = { balance: null, message: null, retryable: null, cause: null, decided: null };
  return { ...ending, ...none, status: 'failed', code };
}

function writeApplied(writer: Writer, id: string, known: Row): void {
  if (!isReadable(known)) throw beyond(id);
  const [, , , , , , , , balance, , , code] = known;
  if (balance !== null) {
    writer.number(results.done);
    writer.number(balance);
  } else if (code === 'insufficient_funds') {
    writer.number(results.insufficientFunds);
  } else if (code === 'balance_overflow') {
    writer.number(results.balanceOverflow);
  } else {
    throw new Error(`The order id ${quote(id)} is taken by an order that did not complete`);
  }
}
