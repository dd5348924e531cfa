import type { StorageSizes } from '../../core/storage/balance-storage.ts';
import { errorOf, isFailure } from '../failures.ts';
import { LogBound } from '../file/log-bound.ts';
import type { DatabaseOptions, Opened } from '../file/opened-file.ts';
import { GroupCommit } from '../group-commit.ts';
import type { ReadKind, Result, WriteKind } from './calls.ts';
import { ConcurrencyLimit } from './concurrency-limit.ts';
import type { Answer, Request } from './protocol.ts';
import { type Message, Reader } from './wire.ts';
import { Thread } from './worker-thread.ts';

const longReads: readonly ReadKind[] = ['list', 'settled', 'movements', 'balanceAt', 'balances'];

/** So many short reads are in the writing thread at most: a transaction waits behind them. */
const mostQuestions = 16;

/**
 * The threads that have a storage's file open. One writes and answers short reads. The other one reads lists, which
 * take long, so that no order waits for them; it is started with the first list.
 */
export class FileThreads {
  readonly #path: string;
  readonly #options: Omit<DatabaseOptions, 'reopened'>;
  readonly #commits = new GroupCommit((request) => this.#ask(request));
  readonly #questions = new ConcurrencyLimit(mostQuestions);
  readonly #lists = new ConcurrencyLimit(1);
  readonly #log = new LogBound(() => this.#shortenLog());
  /** The work that lists wait for. */
  #alone: Promise<void> = Promise.resolve();
  #writing: Thread;
  #listing: Thread | undefined;
  #opened: Opened | undefined;
  #isLocking = false;

  constructor(path: string, options: Omit<DatabaseOptions, 'reopened'>) {
    this.#path = path;
    this.#options = options;
    this.#writing = this.#start();
  }

  /** Resolves when the file is open; rejects if it cannot be opened. */
  get started(): Promise<unknown> {
    return this.#writing.started;
  }

  /** Distinguishes the file from another that comes to its path; see `identityOf`. */
  get identity(): string {
    return this.#opened?.identity ?? '';
  }

  /** Identifies what the file keeps. */
  get id(): string {
    return this.#opened?.id ?? '';
  }

  /** Whether calls wait until the thread that writes is free. */
  get isBusy(): boolean {
    return this.#commits.isBusy;
  }

  /** Resolves when the call is committed. */
  write(kind: WriteKind, message: Message): Promise<Reader> {
    return this.#commits.call(kind, message);
  }

  /** Resolves with the answer. It sees all calls that were answered before. */
  async read(kind: ReadKind, message: Message): Promise<Reader> {
    const isLong = longReads.includes(kind);
    const request: Request = { kind: 'query', call: { kind, message } };
    const { results } = await (isLong
      ? this.#lists.run(() => this.#askForList(request))
      : this.#questions.run(() => this.#ask(request)));
    const result = results[0] as Result;
    if (isFailure(result)) throw errorOf(result);
    return new Reader(result);
  }

  /** Copies the log into the file. No call may be under way. */
  async close(): Promise<void> {
    this.#log.close();
    // The one that writes is closed last: it cannot empty the log beside another connection.
    for (const thread of [this.#listing, this.#writing]) {
      if (thread === undefined || thread.isOver) continue;
      // A thread that fails here leaves the log, which the next opening reads.
      await thread.ask({ kind: 'close' }).catch(() => {});
      await thread.ended();
    }
  }

  /** Ends the thread that writes as if it had failed. */
  async kill(): Promise<void> {
    await this.#writing.terminate();
  }

  /** How large the file and its log were after the last transaction. */
  get sizes(): StorageSizes | undefined {
    return this.#log.sizes;
  }

  /** A long read of another connection has ended. */
  readerEnded(): void {
    this.#log.readerEnded();
  }

  /** Asks the thread that writes. A thread that has ended is replaced. */
  async #ask(request: Request): Promise<Answer> {
    if (this.#writing.isOver) this.#writing = this.#start();
    const answer = await this.#writing.ask(request);
    this.#log.note(answer.sizes);
    // Not again right after a failed try: the other connection may be the host's own, and stay.
    const isDue = answer.isUnlocked === true && request.kind !== 'renew' && !this.#isLocking;
    if (isDue) void this.#relock();
    return answer;
  }

  /** A process can lock a file again only after all its connections to it are closed. */
  async #relock(): Promise<void> {
    this.#isLocking = true;
    const locking = this.#withoutLists(async () => {
      const listing = this.#listing;
      if (listing !== undefined && !listing.isOver) {
        await listing.ask({ kind: 'close' }).catch(() => {});
        await listing.ended();
      }
      if (!this.#writing.isOver) await this.#ask({ kind: 'renew' });
    });
    await locking.catch(() => {});
    this.#isLocking = false;
  }

  /** Lists would prevent it if one were always under way. */
  #shortenLog(): Promise<void> {
    return this.#withoutLists(async () => {
      if (!this.#writing.isOver) await this.#ask({ kind: 'shorten' });
    });
  }

  /** Lists wait meanwhile. */
  #withoutLists(work: () => Promise<void>): Promise<void> {
    const done = this.#alone.then(async () => {
      await this.#lists.pause();
      try {
        await work();
      } finally {
        this.#lists.resume();
      }
    });
    this.#alone = done.catch(() => {});
    return done;
  }

  #askForList(request: Request): Promise<Answer> {
    if (this.#listing === undefined || this.#listing.isOver) {
      const { life = 0, identity = '' } = this.#opened ?? {};
      this.#listing = new Thread({ kind: 'read', path: this.#path, identity, life });
    }
    return this.#listing.ask(request);
  }

  #start(): Thread {
    const options = { ...this.#options, reopened: this.#opened };
    const thread = new Thread({ kind: 'serve', path: this.#path, options });
    const note = ({ opened, sizes }: Answer): void => {
      this.#opened = opened;
      this.#log.note(sizes);
    };
    thread.started.then(note, () => {});
    return thread;
  }
}
