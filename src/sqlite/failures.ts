import { missingPermission } from './file/permissions.ts';

/** An error as it is sent between the threads: a cloned error would lose SQLite's codes. */
export interface Failure {
  readonly message: string;
  readonly cause: Cause | undefined;
  /** The connection can no longer be used. */
  readonly isFinal: boolean;
}

interface Cause {
  readonly message: string;
  readonly code?: string | undefined;
  readonly errcode?: number | undefined;
  readonly errstr?: string | undefined;
}

/** The connection can no longer be used. */
export class ConnectionLost extends Error {}

/** Primary result codes that may be caused by a missing permission. */
const forbidden: readonly number[] = [3, 8, 14, 23];

/** Primary result codes of SQLite that a host can do something about. */
const reasons: Readonly<Record<number, string>> = {
  5: 'another connection holds its lock',
  6: 'another connection holds its lock',
  8: 'it is read-only',
  10: 'reading or writing the disk failed',
  11: 'it is damaged',
  13: 'the disk is full, or `maxBytes` is reached',
  14: 'it or a file beside it cannot be opened',
  23: 'it is not allowed',
  26: 'it is no SQLite database',
};

const BUSY = 5;

export function isFailure(result: object): result is Failure {
  return 'isFinal' in result;
}

/** Whether it failed only because another connection was writing. */
export function isBusy(error: unknown): boolean {
  return primaryCode(error) === BUSY;
}

/** Too large, a constraint, a type, a range: the fault of one order and not of the file. */
const ofOneOrder: readonly number[] = [18, 19, 20, 25];

/** Whether it failed because of one order and would fail again, while others can be written. */
export function isOfOneOrder(error: unknown): boolean {
  const code = primaryCode(error);
  if (code !== undefined) return ofOneOrder.includes(code);
  return error instanceof Error && !(error instanceof ConnectionLost);
}

function primaryCode(error: unknown): number | undefined {
  const errcode = (error as Cause | undefined)?.errcode;
  return typeof errcode === 'number' ? errcode & 0xff : undefined;
}

/**
 * @param doing - what failed: `'open'`
 * @param path - the file
 */
export function failureOf(error: unknown, doing: string, path: string): Failure {
  const isFinal = error instanceof ConnectionLost;
  if (!(error instanceof Error)) return { message: String(error), cause: undefined, isFinal };
  const code = primaryCode(error);
  if (code === undefined) {
    return { message: error.message, cause: causeOf(error.cause), isFinal };
  }
  const reason = reasons[code] ?? error.message;
  const missing = forbidden.includes(code) ? missingPermission(path) : undefined;
  const why = missing === undefined ? reason : `${reason}: ${missing}`;
  return { message: `Could not ${doing} ${path}: ${why}`, cause: causeOf(error), isFinal };
}

function causeOf(cause: unknown): Cause | undefined {
  if (!(cause instanceof Error)) return undefined;
  const { message, code, errcode, errstr } = cause as Error & Cause;
  return { message, code, errcode, errstr };
}

/** The error that a caller gets, with SQLite's own or the system's as its `cause`. */
export function errorOf({ message, cause }: Failure): Error {
  if (cause === undefined) return new Error(message);
  const { message: inner, ...facts } = cause;
  return new Error(message, { cause: Object.assign(new Error(inner), facts) });
}
