import { ranks } from '../core/order/order.ts';
import { flags, results, statuses } from './thread/codec.ts';
import type { Reader } from './thread/wire.ts';

/** The columns of an order that are known when it is accepted. */
export interface Fields {
  readonly id: string;
  readonly userId: string;
  readonly amount: number;
  readonly priority: string;
  readonly acceptedAt: number;
  /** The `seq` of an accepted order; 0 where it is not known. */
  sequence: number;
  payload: string | null;
  content: string | null;
  labels: string | null;
  /** The postings, as JSON. */
  postings: string | null;
  notBefore: number | null;
  expiresAt: number | null;
  /** The order that came again as this one. */
  retryOf: string | null;
  /** The trace in which it was handed in. */
  trace: string | null;
}

/** A credit to another user that comes with an order. */
export interface Credit {
  readonly userId: string;
  readonly amount: number;
  /** What was ordered for it, where that is more. */
  readonly orderedAmount?: number | undefined;
}

/** The columns of an order that its settlement sets. */
export interface Ending {
  readonly status: string;
  readonly startedAt: number | null;
  readonly settledAt: number | null;
  balance: number | null;
  readonly code: string | null;
  readonly message: string | null;
  readonly retryable: number | null;
  readonly steps: string | null;
  readonly results: string | null;
  readonly cause: string | null;
  readonly decided: string | null;
  /** The number of the settlement. */
  settlement: number | null;
  /** 1 if a later order of the user completed before this one. */
  isLate: number | null;
}

export const pending: Ending = {
  status: 'pending',
  startedAt: null,
  settledAt: null,
  balance: null,
  code: null,
  message: null,
  retryable: null,
  steps: null,
  results: null,
  cause: null,
  decided: null,
  settlement: null,
  isLate: null,
};

/** A settlement as the thread gets it. */
export interface Incoming {
  /** What was ordered, if another amount is settled. */
  readonly orderedAmount: number | null;
  readonly fields: Fields;
  readonly ending: Ending;
  readonly postings: readonly Credit[];
  readonly isAccepted: boolean;
  readonly isCompensable: boolean;
  readonly isProvisional: boolean;
  readonly holds: boolean;
  readonly endsHold: boolean;
  readonly minBalance: number | null;
}

/** One that may change a balance. */
export type Completing = Omit<Incoming, 'isProvisional' | 'holds' | 'endsHold'>;

export const noData = {
  payload: null,
  content: null,
  labels: null,
  postings: null,
  notBefore: null,
  expiresAt: null,
  retryOf: null,
  trace: null,
};

const noCredits: readonly Credit[] = Object.freeze([]);

export function readSettlement(reader: Reader): Incoming {
  const flag = reader.number();
  const isAccepted = (flag & flags.accepted) !== 0;
  const fields = readFields(reader);
  if (isAccepted) fields.sequence = reader.number();
  else readData(reader, fields);
  const postings = (flag & flags.posting) === 0 ? noCredits : readCredits(reader);
  const status = statuses[reader.number()] as string;
  const startedAt = reader.maybeNumber();
  const settledAt = reader.number();
  const minBalance = reader.maybeNumber();
  const steps = reader.maybeText();
  const results = reader.maybeText();
  const orderedAmount = reader.maybeNumber();
  const code = reader.maybeText();
  const message = reader.maybeText();
  const retryable = reader.maybeNumber();
  const cause = reader.maybeText();
  return {
    fields,
    ending: {
      status,
      startedAt,
      settledAt,
      balance: null,
      code,
      message,
      retryable,
      steps,
      results,
      cause,
      decided: null,
      settlement: null,
      isLate: null,
    },
    postings,
    orderedAmount,
    isAccepted,
    isCompensable: (flag & flags.compensable) !== 0,
    isProvisional: (flag & flags.provisional) !== 0,
    holds: (flag & flags.holds) !== 0,
    endsHold: (flag & flags.endsHold) !== 0,
    minBalance,
  };
}

export function readFields(reader: Reader): Fields {
  return {
    id: reader.text(),
    userId: reader.text(),
    amount: reader.number(),
    priority: ranks[reader.number()] as string,
    acceptedAt: reader.number(),
    sequence: 0,
    ...noData,
  };
}

export function readCredits(reader: Reader): Credit[] {
  return Array.from({ length: reader.number() }, () => ({
    userId: reader.text(),
    amount: reader.number(),
    orderedAmount: reader.maybeNumber() ?? undefined,
  }));
}

export function readData(reader: Reader, fields: Fields): void {
  fields.payload = reader.maybeText();
  fields.content = reader.maybeText();
  fields.labels = reader.maybeText();
  fields.notBefore = reader.maybeNumber();
  fields.expiresAt = reader.maybeNumber();
  fields.retryOf = reader.maybeText();
  fields.trace = reader.maybeText();
}

/** What is refused is recorded with the amount that was ordered. */
export function asOrdered(fields: Fields, orderedAmount: number | null): Fields {
  return orderedAmount === null ? fields : { ...fields, amount: orderedAmount };
}

/** The same of postings. */
export function creditsAsOrdered(postings: readonly Credit[]): readonly Credit[] {
  return postings.map(({ userId, amount, orderedAmount = amount }) => ({
    userId,
    amount: orderedAmount,
  }));
}

/** The refusal's message is the processor's own. */
export function refused(ending: Ending, refusal: number): Ending {
  const code = refusal === results.insufficientFunds ? 'insufficient_funds' : 'balance_overflow';
  const none = { balance: null, message: null, retryable: null, cause: null, decided: null };
  return { ...ending, ...none, status: 'failed', code };
}
