import { isOrderError } from '../core/order/order-error.ts';
import type { SettledOutcome } from '../core/queries/history-query.ts';
import type { Access } from '../server/access.ts';
import { ClientIds } from '../server/client-ids.ts';
import type { OutcomeReader, OutcomeReaders } from '../server/history.ts';
import { unexpected } from '../server/http-error.ts';
import { withoutCause } from '../server/order-access.ts';
import { answer, textOf } from './answers.ts';
import { Requested } from './requested.ts';

/** About so many characters are sent at once: small pieces cost more than the orders do. */
const pieceLength = 65_536;
/** Proxies end what is silent, and a write finds out that a reader has gone. */
const heartbeatMs = 15_000;
/** How long the first outcome is waited for, so that an error before it has its own status. */
const firstMs = 250;

const encoder = new TextEncoder();

/** All settled orders as lines of JSON, and then each when it is settled. A blank line is a heartbeat. */
export async function outcomeFeed(
  readers: OutcomeReaders,
  request: Request,
  access: Access,
  after: string | undefined,
  onError: (error: unknown) => void,
): Promise<Response> {
  const reader = readers.open(access, after, request.signal);
  const first = new Requested(reader.next());
  await first.isKnownWithin(firstMs);
  return answer(linesOf(reader, first, new ClientIds(access), onError), 200, {
    'content-type': 'application/x-ndjson',
    'x-accel-buffering': 'no',
  });
}

function linesOf(
  reader: OutcomeReader,
  first: Requested<SettledOutcome | undefined>,
  ids: ClientIds,
  onError: (error: unknown) => void,
): ReadableStream<Uint8Array> {
  let next = first;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      let text = '';
      let isOver = false;
      try {
        if (!(await next.isKnownWithin(heartbeatMs))) {
          controller.enqueue(encoder.encode('\n'));
          return;
        }
        do {
          const outcome = await next.result;
          isOver = outcome === undefined;
          if (outcome === undefined) break;
          text += `${lineOf(outcome, ids)}\n`;
          next = new Requested(reader.next());
        } while (text.length < pieceLength && (await next.isSoon()));
      } catch (error) {
        isOver = true;
        text += `${errorLine(error, onError)}\n`;
      }
      if (text !== '') controller.enqueue(encoder.encode(text));
      if (isOver) controller.close();
    },
    cancel: () => reader.leave(),
  });
}

function lineOf({ cursor, sequence, order }: SettledOutcome, ids: ClientIds): string {
  const record = ids.record(withoutCause(order));
  try {
    return JSON.stringify({ cursor, sequence, order: record });
  } catch {
    // A payload or a result that is no JSON.
    return `{"cursor":${JSON.stringify(cursor)},"sequence":${sequence},"order":${textOf(record)}}`;
  }
}

/** The last line of a feed that has failed. */
function errorLine(error: unknown, onError: (error: unknown) => void): string {
  const isOwn = isOrderError(error) && error.code !== 'internal';
  if (!isOwn) onError(error);
  const { code, message } = isOwn ? error : unexpected(error);
  return JSON.stringify({ code, message, retryable: isOwn && error.retryable });
}
