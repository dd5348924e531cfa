import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { TakeUnreadable } from '../../core/storage/reading/unreadable-orders.ts';
import type { OwnedPartition, SharedPage } from '../../core/storage/shared-storage.ts';
import type { Life } from '../members/life.ts';
import { fromKept } from '../values/kept-text.ts';
import { orderOf } from '../values/rows.ts';
import { type AcceptNote, isOf } from './accept-note.ts';
import { NoteQueue } from './note-queue.ts';
import {
  type PendingRow,
  type Range,
  readListed,
  readPages,
  readRanges,
  readUsers,
} from './order-reads.ts';
import { OwnCalls, type OwnOrder } from './own-calls.ts';
import { PageBuffer } from './page-buffer.ts';
import { type DueUser, PartitionReading } from './partition-reading.ts';
import { defaultBounds, type ReadBounds } from './read-bounds.ts';
import { Sweep } from './sweep.ts';

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
  readonly #readings = new Map<number, PartitionReading>();
  readonly #own: OwnCalls;
  readonly #sweep: Sweep;
  readonly #notes = new NoteQueue();
  /** The partitions of all readings: the bit of each. */
  #bits = 0n;
  readonly #pages: PageBuffer;
  /** What was settled since the read under way began: its answer may still have it. */
  #settledNow: Set<number> | undefined;
  constructor(life: Life, listener: ReaderListener, changed: Partial<ReadBounds> = {}) {
    this.#life = life;
    this.#listener = listener;
    this.#bounds = { ...defaultBounds, ...changed };
    this.#own = new OwnCalls(life.number);
    this.#pages = new PageBuffer(listener.cancel);
    this.#sweep = new Sweep(life.read);
  }

  /** Whether all that was unsettled when the partitions were gained has been given. */
  get isCaughtUp(): boolean {
    return this.#pages.isEmpty && this.#live.length === this.#readings.size;
  }

  get hasWork(): boolean {
    if (!this.#notes.isEmpty || this.#live.length < this.#readings.size) return true;
    return this.#sweep.isDue || this.#dueUsers().length > 0;
  }

  /** How many orders of a partition were given and are unsettled. */
  sizeOf({ number }: OwnedPartition): number {
    return this.#readings.get(number)?.size ?? 0;
  }

  gain(partition: OwnedPartition): void {
    this.#readings.set(partition.number, new PartitionReading(partition, this.#bounds.user));
    this.#bits |= 1n << BigInt(partition.number);
    this.#listener.wake();
  }

  /** Nothing more of a partition is given. */
  drop(partition: OwnedPartition): void {
    if (this.#readings.get(partition.number)?.partition !== partition) return;
    this.#readings.delete(partition.number);
    this.#bits &= ~(1n << BigInt(partition.number));
    this.#listener.wake();
  }

  /** Gives all unsettled orders once more. */
  restart(): void {
    this.#pages.clear();
    for (const reading of this.#readings.values()) reading.restart();
  }

  heard(note: AcceptNote): void {
    if ((note.bits & this.#bits) === 0n) this.#own.passed(note);
    else this.#notes.push(note);
    // The cursors of a read under way are not known yet.
    if (this.#settledNow === undefined) this.#limitNotes();
    this.#listener.wake();
  }

  /** The server has answered an own call of `accept`. */
  accepted(call: number, orders: readonly StoredOrder[], parts: readonly number[]): void {
    const isGiven = (order: StoredOrder, part: number): boolean =>
      this.#readings.get(part)?.has(order.sequence) === true;
    this.#own.answered(call, orders, parts, isGiven);
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
    this.#pages.cancelRequested(reading, sequence, id);
  }

  /** What may have been missed is to be looked for. */
  sweep(): void {
    this.#sweep.isDue = true;
    this.#listener.wake();
  }

  /** The next page that was read. The one before it is taken by now. */
  next(): SharedPage | undefined {
    return this.#pages.next();
  }

  /** Reads some of what is there to be read. */
  async read(): Promise<void> {
    this.#settledNow = new Set();
    try {
      const behind = [...this.#readings.values()].filter(({ isLive }) => !isLive);
      const users = this.#dueUsers();
      if (behind.length > 0 || users.length > 0) await this.#readPages(behind, users);
      else if (!this.#notes.isEmpty) await this.#takeNotes(this.#notes.takeAll(), []);
      else await this.#readSweep();
    } finally {
      this.#settledNow = undefined;
      this.#limitNotes();
      if (!this.hasWork && this.#own.isEmpty) this.#pages.forgetCancels();
    }
  }

  get #live(): PartitionReading[] {
    return [...this.#readings.values()].filter(({ isLive }) => isLive);
  }

  #dueUsers(): DueUser[] {
    return [...this.#readings.values()].flatMap((reading) => reading.dueUsers());
  }

  /** Of more than there is room for, what is above the cursors comes by pages. */
  #limitNotes(): void {
    if (this.#notes.size <= this.#bounds.noted) return;
    for (const reading of this.#readings.values()) reading.fallBehind();
    for (const note of this.#notes.takeAll()) {
      if (this.#readingsOf(note).length > 0) this.#notes.push(note);
      else this.#own.passed(note);
    }
  }

  /** The partitions of which orders may be taken that the note is of. */
  #readingsOf(note: AcceptNote): PartitionReading[] {
    return [...this.#readings.values()].filter(
      (reading) => isOf(note, reading.partition.number) && note.low <= reading.noteCursor,
    );
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
      const readings = kept === undefined ? this.#readingsOf(note) : [];
      if (readings.length === 0) continue;
      for (const { partition } of readings) parts.add(partition.number);
      if (note.xid !== undefined) ranges.push({ low: note.low, high: note.high, xid: note.xid });
      listed.push(...note.sequences);
    }
    const { read } = this.#life;
    const answers = await Promise.all([
      ranges.length > 0 ? readRanges(read, ranges, [...parts]) : [],
      listed.length > 0 ? readListed(read, listed) : [],
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
    const { read } = this.#life;
    const most = Math.max(16, Math.floor(page / Math.max(1, behind.length)));
    const before = this.#notes.takeAll();
    const [pages, ofUsers] = await Promise.all([
      behind.length > 0 ? readPages(read, behind, most, scan) : [],
      due.length > 0 ? readUsers(read, due) : [],
    ]);
    // What was committed late below a cursor was noted before this answer, and comes before it.
    const during = this.#notes.takeAll();
    await this.#takeNotes(before, during);
    const pagesOf = Map.groupBy(pages, ({ pagePart }) => pagePart);
    for (const reading of behind) {
      if (this.#isGone(reading)) continue;
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
      if (this.#isGone(reading) || user.cursor === undefined) continue;
      const rows = usersOf.get(at + 1) ?? [];
      for (const row of rows) {
        if (row.part !== null) this.#giveRow(reading, row as PendingRow, false);
      }
      reading.userRead(user, rows.at(-1)?.scanned ?? user.cursor, rows.length === mostOfUser);
    }
    this.#notes.unshift(during);
  }

  /** What was not noted, since the processor that accepted it has died between the two. */
  async #readSweep(): Promise<void> {
    const live = this.#live;
    const high = Math.max(0, ...live.map((reading) => reading.high));
    const parts = live.map(({ partition }) => partition.number);
    const missing = await this.#sweep.find(parts, high, (sequence, part, userId) => {
      const reading = this.#readings.get(part);
      return reading?.takesNoted(sequence, userId) === true && !reading.has(sequence);
    });
    if (missing.length === 0) return;
    const before = this.#notes.takeAll();
    const rows = await readListed(this.#life.read, missing);
    const during = this.#notes.takeAll();
    await this.#takeNotes(before, during);
    for (const row of rows) {
      const reading = this.#readings.get(row.part);
      if (reading?.takesNoted(row.seq, fromKept(row.user_id))) this.#giveRow(reading, row);
    }
    this.#notes.unshift(during);
  }

  #isGone(reading: PartitionReading): boolean {
    return this.#readings.get(reading.partition.number) !== reading;
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
    if (!reading.give(order, Date.now(), isBounded)) return;
    // It is not taken from memory too, or again.
    this.#own.given(sequence);
    this.#pages.push(reading, order, row?.is_to_cancel === true);
  }
}
