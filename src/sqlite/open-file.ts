import type { StorageSizes } from '../core/storage/balance-storage.ts';
import { checkLog } from './file/file-contents.ts';
import { FileLock } from './file/file-lock.ts';
import { checkName, realPathOf } from './file/file-name.ts';
import type { Source } from './file/opened-file.ts';
import type { CheckedOptions } from './open-options.ts';
import type { ReadKind, WriteKind } from './thread/calls.ts';
import { FileThreads } from './thread/file-threads.ts';
import type { Answer, Task } from './thread/protocol.ts';
import { type Message, type Reader, Writer } from './thread/wire.ts';
import { askNewThread } from './thread/worker-thread.ts';

/** A file of orders that a storage has open: its lock, its threads, and the calls that are under way. */
export class OpenFile {
  /** Without links. */
  readonly path: string;
  readonly #lock: FileLock;
  readonly #threads: FileThreads;
  readonly #writer = new Writer();
  /** `close` waits for them. */
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  /** Locks and opens a file, or makes one; see `SqliteStorage.open`. */
  static async open(path: string, options: CheckedOptions): Promise<OpenFile> {
    const { durability, maxBytes, waitMs } = options;
    const realPath = realPathOf(path);
    checkName(realPath);
    const lock = await FileLock.take(realPath, waitMs);
    let threads: FileThreads | undefined;
    try {
      const descriptor = checkLog(realPath);
      if (descriptor !== undefined) lock.keep(descriptor);
      threads = new FileThreads(realPath, { durability, maxBytes, lock: lock.identity });
      await threads.started;
      return new OpenFile(realPath, lock, threads);
    } catch (error) {
      await threads?.close();
      lock.abandon();
      throw error;
    }
  }

  private constructor(path: string, lock: FileLock, threads: FileThreads) {
    this.path = path;
    this.#lock = lock;
    this.#threads = threads;
  }

  /** Identifies what the file keeps. */
  get id(): string {
    return this.#threads.id;
  }

  /** Whether `close` has been called. */
  get isClosed(): boolean {
    return this.#closing !== undefined;
  }

  /** Whether calls wait until the thread that writes is free. */
  get isBusy(): boolean {
    return this.#threads.isBusy;
  }

  /** How large the file and its log were after the last transaction, in bytes. */
  get sizes(): StorageSizes | undefined {
    return this.#threads.sizes;
  }

  /**
   * A call that changes the file.
   *
   * @param write - writes what it is called with
   * @param read - reads the answer
   */
  async write<T>(
    kind: WriteKind,
    write: (writer: Writer) => void,
    read: (reader: Reader) => T,
  ): Promise<T> {
    return read(await this.#track(() => this.#threads.write(kind, this.#messageOf(write))));
  }

  /** A call that only reads the file; the parameters are the same as of `write`. */
  async read<T>(
    kind: ReadKind,
    write: (writer: Writer) => void,
    read: (reader: Reader) => T,
  ): Promise<T> {
    return read(await this.#track(() => this.#threads.read(kind, this.#messageOf(write))));
  }

  /** Reads the whole file in a thread of its own. The log grows meanwhile. */
  readWhole(task: (source: Source) => Task): Promise<Answer> {
    const source = { path: this.path, identity: this.#threads.identity };
    return this.#track(() => askNewThread(task(source)).finally(() => this.#threads.readerEnded()));
  }

  /** Waits for the calls that are under way, then ends the threads and gives the lock up. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.allSettled(this.#underWay);
    await this.#threads.close();
    this.#lock.release();
  }

  /** Ends the writing thread as if it had failed. */
  async killThread(): Promise<void> {
    await this.#threads.kill();
  }

  #messageOf(write: (writer: Writer) => void): Message {
    // What was written before it threw is not for the next one.
    this.#writer.clear();
    write(this.#writer);
    return this.#writer.take();
  }

  async #track<T>(start: () => Promise<T>): Promise<T> {
    if (this.#closing !== undefined) throw new Error('The storage is closed');
    const promise = start();
    this.#underWay.add(promise);
    try {
      return await promise;
    } finally {
      this.#underWay.delete(promise);
    }
  }
}
