import type { Readable } from 'node:stream';
import { ByteBuffer } from './byte-buffer.ts';

/** The first pieces of a body go on as they come: most bodies have no more. */
const firstPieces = 64;

/** A piece of so many bytes goes on as it comes. */
const longPieceBytes = 1_024;

/** A body in more pieces than these, with fewer than 4 bytes in each on average, is work and no data. */
const mostPieces = 65_536;

/** Counts the pieces of a body. */
export interface PieceCount {
  readonly isTooHigh: boolean;
}

/**
 * Joins the short pieces of a body that come in one turn, and those that come before the last ones were read.
 * Node queues each as an object of some 300 bytes, up to 64 KiB of content for each request, and a client may send
 * one byte in each.
 *
 * @param body - of a request; none of it may have come
 */
export function joinPieces(body: Readable): PieceCount {
  const push = body.push.bind(body);
  const read = body.read.bind(body);
  const joined = new ByteBuffer();
  let pieces = 0;
  let sum = 0;
  const flush = (): void => {
    if (joined.length > 0) push(joined.take());
  };
  const flushUnlessQueued = (): void => {
    if (body.readableLength === 0) flush();
  };
  body.push = (piece: unknown, encoding?: BufferEncoding) => {
    if (piece instanceof Uint8Array) {
      pieces += 1;
      sum += piece.byteLength;
      if (pieces > firstPieces && piece.byteLength < longPieceBytes) {
        // What is queued is read before these, and by `read`.
        // Not in the next tick: Node's parser has one after each piece.
        if (joined.length === 0) setImmediate(flushUnlessQueued);
        joined.append(piece);
        return body.readableLength + joined.length < body.readableHighWaterMark;
      }
    }
    flush();
    return push(piece, encoding);
  };
  body.read = (size) => {
    flush();
    return read(size);
  };
  return {
    get isTooHigh() {
      return pieces > mostPieces && sum < 4 * pieces;
    },
  };
}
