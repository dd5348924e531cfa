import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import { joinPieces, type PieceCount } from '../server/listening/join-pieces.ts';
import { refuse } from '../server/listening/parser-errors.ts';
import { gathered } from './gathered-body.ts';

/** Answers requests of HTTP/1.1 and HTTP/2. */
export type NodeHandler = (
  request: IncomingMessage | Http2ServerRequest,
  response: ServerResponse | Http2ServerResponse,
) => void;

/** Protects a handler of ConnectRPC from requests that it cannot answer. */
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
      // The host is missing or malformed: ConnectRPC throws.
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
 * Ends a call that was answered before all of its body was read, because its message is too long for example: the
 * rest would keep the call open, and the server from closing.
 */
function endUnread({ stream }: Http2ServerRequest): void {
  stream.once('finish', () => {
    if (stream.readableEnded) return;
    // The request pauses the stream when its own data is not read.
    stream.removeAllListeners('data');
    stream.resume();
  });
}

/** Node keeps the first value of these headers, and a proxy may have checked the last. */
const single = ['authorization', 'content-type'];

/** Makes a list of a header that was sent twice, as over HTTP, so that it is no valid value. */
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

/** The longest time of a timer, in milliseconds: 24 days. A longer one would fire at once. */
const longestMs = 2 ** 31 - 1;
const msOf: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000 };

/** Shortens a deadline that no timer can hold to the longest possible one. */
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
