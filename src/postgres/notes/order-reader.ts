import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { TakeUnreadable } from '../../core/storage/reading/unreadable-orders.ts';
import type { OwnedPartition, SharedPage } from '../../core/storage/shared-storage.ts';
import type { Life } from '../members/life.ts';
import { fromKept } from '../values/kept-text.ts';
import { orderOf } from '../values/rows.ts';
import type { AcceptNote } from './accept-note.ts';
import { NoteQueue } from './note-queue.ts';
import {
  type PendingRow,
  type Range,
  readListed,
  readPages,
  readRanges,
  readUsers,
} from './order-reads.ts';
import { type AnsweredCall, OwnCalls, type OwnOrder } from './own-calls.ts';
import { PageBuffer } from './page-buffer.ts';
import { type DelayedNote, DueOrders } from './partitions/due-orders.ts';
import type { DueUser, PartitionReading } from './partitions/partition-reading.ts';
import { PartitionReadings } from './partitions/partition-readings.ts';
import { Sweep } from './partitions/sweep.ts';
import { defaultBounds, type ReadBounds } from './read-bounds.ts';

export interface ReaderListener {
  /** There may be something to read. */
  wake(): void;
  /** An order that was given is to be canceled. */
  cancel(id: string): void;
  readonly takeUnreadable: TakeUnreadable;
}

/**
 * Reads the unsettled orders of the owned partitions in one life, in the order of their acceptance: in that of the
 * notes, which is that of the commits, where a partition is live, and by sequence where it is behind. What a page or a
 * sweep has read is taken only after the notes that came before its answer.
 */
export class OrderReader {
  readonly #life: Life;
  readonly #listener: ReaderListener;
  readonly #bounds: ReadBounds;
  readonly #readings: PartitionReadings;
  readonly #own: OwnCalls;
  readonly #sweep: Sweep;
  readonly #notes = new NoteQueue();
  readonly #due: DueOrders;
  /** Due orders have been read, and what else there is to be read comes next. */
  #isTurnOfOthers = false;
  readonly #pages: PageBuffer;
  /** What was settled since the read under way began: its answer may still have it. */
  #settledNow: Set<number> | undefined;

  constructor(life: Life, listener: ReaderListener, changed: Partial<ReadBounds> = {}) {
    this.#life = life;
    this.#listener = listener;
    this.#bounds = { ...defaultBounds, ...changed };
    this.#readings = new PartitionReadings(this.#bounds.user);
    this.#own = new OwnCalls(life.number, (part) => this.#readings.get(part));
    this.#due = new DueOrders(life, listener.wake, listener.takeUnreadable);
    this.#pages = new PageBuffer(listener.cancel);
    this.#sweep = new Sweep(life.read);
  }

  /** Whether all that was unsettled when the partitions were gained has been given. */
  get isCaughtUp(): boolean {
    return this.#pages.isEmpty && this.#readings.behind.length === 0 && !this.#isDue;
  }

  get hasWork(): boolean {
    return this.#isDue || this.#hasOtherWork;
  }

  get #isDue(): boolean {
    return this.#due.isDue && this.#readings.size > 0;
  }

  get #hasOtherWork(): boolean {
    if (!this.#notes.isEmpty || this.#readings.behind.length > 0) return true;
    return this.#sweep.isDue || this.#readings.dueUsers.length > 0;
  }

  /** How many orders of a partition were given and are unsettled. */
  sizeOf({ number }: OwnedPartition): number {
    return this.#readings.get(number)?.size ?? 0;
  }

  gain(partition: OwnedPartition): void {
    this.#readings.gain(partition);
    this.#due.look();
  }

  /** Nothing more of a partition is given. */
  drop(partition: OwnedPartition): void {
    if (this.#readings.drop(partition)) this.#listener.wake();
  }

  /** Gives all unsettled orders once more. */
  restart(): void {
    this.#pages.clear();
    for (const reading of this.#readings.all) reading.restart();
  }

  heard(note: AcceptNote | DelayedNote): void {
    if ('at' in note) {
      if (this.#readings.includesOf(note.bits)) this.#due.heard(note);
      return;
    }
    if (!this.#readings.includesOf(note.bits)) this.#own.passed(note);
    else this.#notes.push(note);
    // The cursors of a read under way are not known yet.
    if (this.#settledNow === undefined) this.#limitNotes();
    this.#listener.wake();
  }

  /** The server has answered an own call of `accept`. */
  accepted(call: AnsweredCall): void {
    this.#own.answered(call);
  }

  /** @param part - the order's partition */
  settled(sequence: number, part: number): void {
    this.#settledNow?.add(sequence);
    if (this.#readings.get(part)?.settled(sequence)) this.#listener.wake();
  }

  /** The owner of an order is asked to cancel it. */
  cancelRequested(part: number, sequence: number, id: string): void {
    const reading = this.#readings.get(part);
    if (reading === undefined) return;
    if (this.#pages.cancelRequested(reading, sequence, id)) return;
    // It may have waited for its time.
    const bits = 1n << BigInt(part);
    const range = { low: sequence, high: sequence, sequences: [sequence] };
    this.heard({ processor: 0, call: 0, bits, xid: undefined, ...range });
  }

  /** What may have been missed is to be looked for. */
  sweep(): void {
    this.#sweep.isDue = true;
    this.#due.look();
  }

  /** The next page that was read. The one before it is taken by now. */
  next(): SharedPage | undefined {
    return this.#pages.next();
  }

  /** Reads some of what is there to be read. */
  async read(): Promise<void> {
    this.#settledNow = new Set();
    try {
      const { behind, dueUsers: users } = this.#readings;
      this.#isTurnOfOthers = !this.#isTurnOfOthers && this.#isDue;
      if (this.#isTurnOfOthers || (this.#isDue && !this.#hasOtherWork)) await this.#readDue();
      else if (behind.length > 0 || users.length > 0) await this.#readPages(behind, users);
      else if (!this.#notes.isEmpty) await this.#takeNotes(this.#notes.takeAll(), []);
      else await this.#readSweep();
    } finally {
      this.#settledNow = undefined;
      this.#limitNotes();
      if (!this.hasWork && this.#own.isEmpty) this.#pages.forgetCancels();
    }
  }

  /** Of more than there is room for, what is above the cursors comes by pages. */
  #limitNotes(): void {
    if (this.#notes.size <= this.#bounds.noted) return;
    for (const reading of this.#readings.all) reading.fallBehind();
    for (const note of this.#notes.takeAll()) {
      if (this.#readings.of(note).length > 0) this.#notes.push(note);
      else this.#own.passed(note);
    }
  }

  /**
   * Takes what was noted, in the order of the notes.
   *
   * @param during - notes that came while a page was read: what its cursor does not reach yet is looked at once more
   *    when the page is taken
   */
  async #takeNotes(before: readonly AcceptNote[], during: readonly AcceptNote[]): Promise<void> {
    const ranges: Range[] = [];
    const listed: number[] = [];
    const parts = new Set<number>();
    const own: OwnOrder[] = [];
    for (const [at, note] of [...before, ...during].entries()) {
      const kept = this.#own.noted(note, at >= before.length);
      if (kept !== undefined) own.push(...kept);
      const readings = kept === undefined ? this.#readings.of(note) : [];
      if (readings.length === 0) continue;
      for (const { partition } of readings) parts.add(partition.number);
      if (note.xid !== undefined) ranges.push({ low: note.low, high: note.high, xid: note.xid });
      listed.push(...note.sequences);
    }
    const answers = await Promise.all([
      ranges.length > 0 ? readRanges(this.#life, ranges, [...parts]) : [],
      listed.length > 0 ? readListed(this.#life, listed) : [],
    ]);
    const rows = answers.flat();
    const found = [
      ...own,
      ...rows.map((row) => ({ order: this.#orderOf(row), part: row.part, row })),
    ];
    found.sort((one, other) => (one.order?.sequence ?? 0) - (other.order?.sequence ?? 0));
    for (const { order, part, ...rest } of found) {
      const reading = this.#readings.get(part);
      if (order === undefined || !reading?.takesNoted(order.sequence, order.userId)) continue;
      this.#give(reading, order, 'row' in rest ? rest.row : undefined);
    }
  }

  async #readPages(behind: readonly PartitionReading[], due: readonly DueUser[]): Promise<void> {
    const { page, scan } = this.#bounds;
    const most = Math.max(16, Math.floor(page / Math.max(1, behind.length)));
    const before = this.#notes.takeAll();
    const [pages, ofUsers] = await Promise.all([
      behind.length > 0 ? readPages(this.#life, behind, most, scan) : [],
      due.length > 0 ? readUsers(this.#life, due) : [],
    ]);
    // What was committed late below a cursor was noted before this answer, and comes before it.
    const during = this.#notes.takeAll();
    await this.#takeNotes(before, during);
    const pagesOf = Map.groupBy(pages, ({ pagePart }) => pagePart);
    for (const reading of behind) {
      if (this.#readings.isGone(reading)) continue;
      const rows = pagesOf.get(reading.partition.number) ?? [];
      for (const row of rows) {
        if (row.seq !== null && reading.takesPaged(row.seq, fromKept(row.user_id))) {
          this.#giveRow(reading, row as PendingRow);
        }
      }
      reading.pageRead(rows[0]?.readTo ?? reading.cursor, rows[0]?.hasMore ?? false);
    }
    const usersOf = Map.groupBy(ofUsers, ({ at }) => at);
    for (const [at, { reading, user, most: mostOfUser }] of due.entries()) {
      if (this.#readings.isGone(reading) || user.cursor === undefined) continue;
      const rows = usersOf.get(at + 1) ?? [];
      for (const row of rows) {
        if (row.part !== null) this.#giveRow(reading, row as PendingRow, false);
      }
      reading.userRead(user, rows.at(-1)?.scanned ?? user.cursor, rows.length === mostOfUser);
    }
    this.#notes.unshift(during);
  }

  /** What waited for its time. */
  async #readDue(): Promise<void> {
    for (const { order, row } of await this.#due.read(this.#readings)) {
      const reading = this.#readings.get(row.part);
      if (reading?.takesDue(order.sequence, order.userId)) this.#give(reading, order, row);
    }
  }

  /** What was not noted, since the processor that accepted it has died between the two. */
  async #readSweep(): Promise<void> {
    const missing = await this.#sweep.find(this.#readings);
    if (missing.length === 0) return;
    const before = this.#notes.takeAll();
    const rows = await readListed(this.#life, missing);
    const during = this.#notes.takeAll();
    await this.#takeNotes(before, during);
    for (const row of rows) {
      const reading = this.#readings.get(row.part);
      if (reading?.takesNoted(row.seq, fromKept(row.user_id))) this.#giveRow(reading, row);
    }
    this.#notes.unshift(during);
  }

  #orderOf(row: PendingRow): StoredOrder | undefined {
    try {
      return orderOf(row);
    } catch (error) {
      this.#listener.takeUnreadable(error as Parameters<TakeUnreadable>[0]);
      return undefined;
    }
  }

  #giveRow(reading: PartitionReading, row: PendingRow, isBounded = true): void {
    const order = this.#orderOf(row);
    if (order) this.#give(reading, order, row, isBounded);
  }

  #give(
    reading: PartitionReading,
    order: StoredOrder,
    row: PendingRow | undefined,
    isBounded = true,
  ): void {
    const { sequence } = order;
    if (this.#settledNow?.has(sequence)) return;
    if (!reading.give(order, isBounded)) return;
    // It is not taken from memory too, or again.
    this.#own.given(sequence);
    this.#pages.push(reading, order, row?.is_to_cancel === true);
  }
}
