import type { Failure } from '../failures.ts';
import type { Message } from './wire.ts';

/** What changes the file. */
export type WriteKind =
  | 'accept'
  | 'settle'
  | 'remember'
  | 'amend'
  | 'apply'
  | 'prune'
  | 'retain'
  | 'hold'
  | 'release';

/** What only reads it. */
export type ReadKind = 'get' | 'find' | 'unsettled' | 'due' | 'delayed' | 'holds' | LongReadKind;

/** What may take long: a thread of its own reads it. */
export type LongReadKind = 'list' | 'settled' | 'movements' | 'balanceAt' | 'balances';

/** One call of a storage's method. */
export interface Call<Kind extends WriteKind | ReadKind = WriteKind | ReadKind> {
  readonly kind: Kind;
  readonly message: Message;
}

/** What came of one call. */
export type Result = Message | Failure;
