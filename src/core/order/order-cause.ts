import { messageOf, show } from '../runtime/thrown.ts';
import { isOrderError, type OrderError } from './order-error.ts';
import type { OrderCause } from './step-result.ts';

/** Names and messages are cut at so many characters, since they are kept with the order. */
const longestName = 64;
const longestMessage = 1_024;

/** How many causes of causes are named. */
const deepest = 4;

/** What is kept of the error behind an order's own; it may be anything that was thrown. */
export function causeOfOrder({
  code,
  cause,
}: Pick<OrderError, 'code' | 'cause'>): OrderCause | undefined {
  // What a step threw is the order's own error, if it gave that its code and its message.
  const first = isOrderError(cause) && cause.code === code ? cause.cause : cause;
  if (first === undefined) return undefined;
  let message = textOf(first);
  let under = underneath(first);
  for (let depth = 1; depth < deepest && under !== undefined; depth += 1) {
    message += `; caused by ${nameOf(under)}: ${textOf(under)}`;
    under = underneath(under);
  }
  return Object.freeze({
    name: cut(nameOf(first), longestName),
    message: cut(message, longestMessage),
  });
}

/** The cause of a remembered order's error, as far as it was kept. */
export function asError({ name, message }: OrderCause): Error {
  const error = new Error(message);
  error.name = name;
  // The error was thrown elsewhere, perhaps in an earlier process.
  error.stack = `${name}: ${message}`;
  return error;
}

function underneath(thrown: unknown): unknown {
  return read(thrown, 'cause');
}

function nameOf(thrown: unknown): string {
  const name = read(thrown, 'name');
  return typeof name === 'string' && name !== '' ? name : typeof thrown;
}

function textOf(thrown: unknown): string {
  const message = cut(messageOf(thrown, show(thrown)), longestMessage);
  return isOrderError(thrown) ? `${thrown.code}: ${message}` : message;
}

function read(thrown: unknown, field: 'name' | 'cause'): unknown {
  try {
    return thrown instanceof Error
      ? (thrown as { name: unknown; cause?: unknown })[field]
      : undefined;
  } catch {
    // A proxy or a getter may throw.
    return undefined;
  }
}

/** Well-formed also where a character was cut in two, since a file keeps UTF-8. */
function cut(text: string, longest: number): string {
  return (text.length > longest ? `${text.slice(0, longest)}…` : text).toWellFormed();
}
