import { closeSync, openSync, readSync, statSync } from 'node:fs';

/** Bytes that SQLite locks as long as a connection is open: one of the log's index, and one of many in the file. */
const INDEX_BYTE = 128;
const FILE_BYTE = 1_073_741_826;

/** How often the system's list is read at most, in milliseconds: it takes 30 µs. */
const PAUSE_MS = 20;

/**
 * Whether the locks that this process has on an open file of orders are still there. The system drops them when the
 * process closes any other descriptor of the file or of the index of its log (`-shm`), after copying them for
 * example. Another program that opens the file then assumes that it is the first one: it truncates the index,
 * which can end a process that has it mapped (SIGBUS), and it deletes the log when it closes the file.
 */
export class HeldLocks {
  /** Whether the system has listed them. Only Linux does. */
  readonly areListed: boolean;
  readonly #index: string;
  readonly #fileIno: bigint | undefined;
  readonly #indexIno: bigint | undefined;
  /** Room for more locks than one machine should have; in a list that is cut, ours may be missing. */
  readonly #bytes = Buffer.alloc(65_536);
  #listing: number | undefined;
  #indexBytes = 0n;
  #askedAt = Number.NEGATIVE_INFINITY;

  /**
   * @param path - an open file of orders, whose log is there
   * @param wereListed - whether an earlier connection of this process has found them listed
   */
  constructor(path: string, wereListed = false) {
    this.#index = `${path}-shm`;
    this.#fileIno = statSync(path, { bigint: true, throwIfNoEntry: false })?.ino;
    this.#indexIno = this.#indexStats()?.ino;
    this.areListed = wereListed || this.#areInList();
  }

  /** Whether they are held, as of at most `PAUSE_MS` ago. */
  areHeld(): boolean {
    return this.#isIndexWhole() && (!this.#isDue() || this.areHeldNow());
  }

  /** Whether they are held now. */
  areHeldNow(): boolean {
    return !this.areListed || this.#areInList();
  }

  #isDue(): boolean {
    const now = performance.now();
    if (now - this.#askedAt < PAUSE_MS) return false;
    this.#askedAt = now;
    return true;
  }

  /** The index only grows while any connection has it open. */
  #isIndexWhole(): boolean {
    const stats = this.#indexStats();
    if (stats?.ino !== this.#indexIno || stats === undefined) return false;
    const isWhole = stats.size >= this.#indexBytes;
    this.#indexBytes = stats.size;
    return isWhole;
  }

  #areInList(): boolean {
    const locks = this.#list();
    return isLocked(locks, this.#indexIno, INDEX_BYTE) && isLocked(locks, this.#fileIno, FILE_BYTE);
  }

  /** The system's list of locks, read from its start each time. */
  #list(): string {
    try {
      this.#listing ??= openSync('/proc/locks', 'r');
      const length = readSync(this.#listing, this.#bytes, 0, this.#bytes.length, 0);
      return this.#bytes.toString('latin1', 0, length);
    } catch {
      return '';
    }
  }

  close(): void {
    if (this.#listing !== undefined) closeSync(this.#listing);
    this.#listing = undefined;
  }

  #indexStats() {
    return statSync(this.#index, { bigint: true, throwIfNoEntry: false });
  }
}

/** @param locks - lines like `1: POSIX  ADVISORY  READ 42 fe:00:7 128 128` */
function isLocked(locks: string, ino: bigint | undefined, byte: number): boolean {
  const ranges = locks.matchAll(
    new RegExp(`POSIX +ADVISORY +(?:READ|WRITE) +${process.pid} \\S+:${ino} (\\d+) (\\d+)`, 'g'),
  );
  return [...ranges].some(([, from, to]) => Number(from) <= byte && byte <= Number(to));
}
