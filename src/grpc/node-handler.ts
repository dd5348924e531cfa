import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { joinPieces, type PieceCount } from '../server/listening/join-pieces.ts';
import { refuse } from '../server/listening/parser-errors.ts';
import { gathered } from './gathered-body.ts';

/** Answers the requests of both protocols. */
export type NodeHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** Keeps from a handler of ConnectRPC what it has no answer to. */
export function guarded(handler: NodeHandler): NodeHandler {
  return (request, response) => {
    boundDeadline(request.headers);
    joinLists(request);
    const pieces = joinPieces('stream' in request ? request.stream : request);
    if ('stream' in request) {
      joinPieces(request);
      endUnread(request);
    }
    gather(request, pieces);
    try {
      handler(request, response);
    } catch {
      // No host, or one that is none: it throws at what it takes for impossible.
      const problem = { code: 'bad_request', detail: 'Expected a host and a path' } as const;
      refuse(response as ServerResponse, 400, problem);
    }
  };
}

const envelopedType = /^application\/(?:grpc|connect\+)/;

function gather(request: IncomingMessage | Http2ServerRequest, pieces: PieceCount): void {
  const isEnveloped = envelopedType.test(request.headers['content-type'] ?? '');
  const body = { [Symbol.asyncIterator]: request[Symbol.asyncIterator].bind(request) };
  Object.defineProperty(request, Symbol.asyncIterator, {
    value: () => gathered(body, isEnveloped, pieces),
  });
}

/**
 * Ends a call that was answered before all of its body was read, as one whose message is too long: the rest would
 * keep it under way, and the server from closing.
 */
function endUnread({ stream }: Http2ServerRequest): void {
  stream.once('finish', () => {
    if (stream.readableEnded) return;
    // The request stops the stream when nobody takes what it hands on.
    stream.removeAllListeners('data');
    stream.resume();
  });
}

/** Of these Node keeps the first, and a proxy may have looked at the last. */
const single = ['authorization', 'content-type'];

/** A header that was sent twice is a list, as it is over the other face, and no value. */
function joinLists({ headers, rawHeaders }: IncomingMessage | Http2ServerRequest): void {
  for (const name of single) {
    let list: string | undefined;
    for (let at = 0; at < rawHeaders.length; at += 2) {
      const raw = rawHeaders[at] as string;
      if (raw.length !== name.length || raw.toLowerCase() !== name) continue;
      const value = rawHeaders[at + 1] as string;
      list = list === undefined ? value : `${list}, ${value}`;
    }
    if (list !== headers[name]) headers[name] = list;
  }
}

/** The longest time of a timer, in milliseconds, which is over at once with a longer one: 24 days. */
const longestMs = 2 ** 31 - 1;
const msOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/** A deadline that no timer can hold is as good as the longest that one can. */
function boundDeadline(headers: IncomingHttpHeaders): void {
  const { 'grpc-timeout': ofGrpc, 'connect-timeout-ms': ofConnect } = headers;
  const [, digits, unit = ''] = /^(\d{1,8})([HMS])$/.exec(String(ofGrpc)) ?? [];
  if (Number(digits) * (msOf[unit] ?? 0) > longestMs) {
    headers['grpc-timeout'] = `${Math.floor(longestMs / 1_000)}S`;
  }
  if (/^\d{1,10}$/.test(String(ofConnect)) && Number(ofConnect) > longestMs) {
    headers['connect-timeout-ms'] = String(longestMs);
  }
}
