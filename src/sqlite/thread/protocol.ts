import type { StorageSizes } from '../../core/storage/balance-storage.ts';
import type { Failure } from '../failures.ts';
import type { DatabaseOptions, Opened, Source } from '../file/opened-file.ts';
import type { Call, ReadKind, Result, WriteKind } from './calls.ts';

/** What the main thread asks of the worker, which answers in the same order. */
export type Request =
  /** Share one transaction. Answered with their results. */
  | { readonly kind: 'commit'; readonly calls: readonly Call<WriteKind>[] }
  /** Answered with one result, the only request of a thread that reads. */
  | { readonly kind: 'query'; readonly call: Call<ReadKind> }
  /** Empty the log, if nothing else reads it now. Answered without results. */
  | { readonly kind: 'shorten' }
  /** Close the file and open it again, to take its locks again. Answered without results. */
  | { readonly kind: 'renew' }
  /** The thread ends. */
  | { readonly kind: 'close' };

/** The task of a worker thread. */
export type Task =
  /** The first answer says that the file is open: no results. */
  | { readonly kind: 'serve'; readonly path: string; readonly options: DatabaseOptions }
  /** Only reads. The first answer says that the file is open: no results. */
  | ({ readonly kind: 'read'; readonly life: number } & Source)
  /** The only answer: no results. */
  | ({ readonly kind: 'backup'; readonly to: string } & Source)
  /** The only answer: what is wrong. */
  | ({ readonly kind: 'check' } & Source);

/** An answer of the worker. */
export interface Answer {
  readonly results: readonly Result[];
  /** The whole request has failed. */
  readonly failure?: Failure;
  /** Which file was opened. */
  readonly opened?: Opened;
  /** How large the file and its log are now. */
  readonly sizes?: StorageSizes;
  /** This process has lost its locks, and another connection of it prevents that they are taken again. */
  readonly isUnlocked?: boolean;
  /** The problems that a check has found. */
  readonly problems?: readonly string[];
}

/** Marks our messages: Node posts messages of its own between threads, with `--watch` for example. */
interface Envelope<T> {
  readonly orderProcessor: T;
}

/** Wraps a message for the other thread. */
export function enclosed<T extends Request | Answer>(message: T): Envelope<T> {
  return { orderProcessor: message };
}

/** The message of the other thread, or `undefined` if it is not one of ours. */
export function contentOf<T extends Request | Answer>(posted: unknown): T | undefined {
  return (posted as Partial<Envelope<T>> | null | undefined)?.orderProcessor;
}
