import { inspect } from 'node:util';

export const codeForm = /^[a-z][a-z0-9_]{0,63}$/;

/** The lower-snake-case `code` that something thrown carries, if it does; never throws itself. */
export function codeOf(thrown: unknown): string | undefined {
  try {
    const code = (thrown as { code?: unknown } | null | undefined)?.code;
    return typeof code === 'string' && codeForm.test(code) ? code : undefined;
  } catch {
    return undefined;
  }
}

/** The message of something thrown, or the fallback; never throws itself. */
export function messageOf(thrown: unknown, fallback: string): string {
  try {
    const message = (thrown as { message?: unknown } | null | undefined)?.message;
    return typeof message === 'string' && message !== '' ? message : fallback;
  } catch {
    return fallback;
  }
}

/** What clients see of an `internal` error: its cause is for the host alone. */
export const wentWrong = 'Something went wrong';

/**
 * The cause of an `internal` error: says what is wrong in code of the host.
 *
 * @param cause - what was thrown there
 */
export function hostFault(text: string, cause: unknown): Error {
  return new Error(text, cause === undefined ? undefined : { cause });
}

/** Something thrown as the cause of an error, even if it is `undefined`. */
export function causeOf(thrown: unknown, title: string): unknown {
  return thrown === undefined ? new Error(`${title} threw undefined`) : thrown;
}

export const inOneLine = {
  breakLength: Number.POSITIVE_INFINITY,
  depth: 1,
  maxArrayLength: 8,
} as const;

/** Characters that are more than text to a terminal or a log: control characters, line breaks, changes of direction. */
export const controls = /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text on one line, even if a stranger's text has more. */
export function escapeControls(text: string): string {
  return text.replace(
    controls,
    (control) => `\\u${control.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** An id as messages and warnings show it: whole, in quotes, on one line. */
export function quote(text: string): string {
  return escapeControls(JSON.stringify(text));
}

/** A value of any type as an error message shows it: short, on one line. */
export function show(value: unknown): string {
  try {
    const text = typeof value === 'string' ? quote(value) : inspect(value, inOneLine);
    const line = escapeControls(text.replace(/\s+/g, ' '));
    return line.length > 60 ? `${line.slice(0, 60)}…` : line;
  } catch {
    return typeof value;
  }
}
