import { Code, ConnectError } from '@connectrpc/connect';
import { ByteBuffer } from '../server/listening/byte-buffer.ts';
import type { PieceCount } from '../server/listening/join-pieces.ts';

/** So many bytes are handed on at once, unless a message ends before. */
const pieceBytes = 16_384;

/**
 * The same bytes in fewer pieces: ConnectRPC keeps each until its message is complete, with some 300 bytes of its own,
 * and a client may send one byte in each.
 *
 * @param isEnveloped - whether the body is messages with prefixes; each is handed on as soon as it is complete
 * @param pieces - of the body as it came
 * @throws (rejects) ConnectError `resource_exhausted` for a body in too many pieces
 */
export async function* gathered(
  body: AsyncIterable<Uint8Array>,
  isEnveloped: boolean,
  pieces: PieceCount,
): AsyncGenerator<Uint8Array> {
  const bytes = new ByteBuffer();
  const envelopes = new Envelopes();
  for await (const piece of body) {
    if (pieces.isTooHigh) {
      throw new ConnectError('The body came in too many pieces', Code.ResourceExhausted);
    }
    const isDue = isEnveloped && envelopes.endIn(piece);
    if (bytes.length === 0 && (isDue || piece.byteLength >= pieceBytes)) {
      yield piece;
      continue;
    }
    bytes.append(piece);
    if (isDue || bytes.length >= pieceBytes) yield bytes.take();
  }
  if (bytes.length > 0) yield bytes.take();
}

/** What a message begins with: its flags in one byte, and its length in four. */
const prefixLength = 5;

/** Where the messages of a body end. */
class Envelopes {
  #prefix = 0;
  #length = 0;
  /** How many bytes of the message are missing. */
  #left = 0;

  /** Counts the next bytes. Returns whether a message ends in them. */
  endIn(piece: Uint8Array): boolean {
    let isEnd = false;
    for (let at = 0; at < piece.byteLength; ) {
      if (this.#prefix < prefixLength) {
        // The flags are shifted out.
        this.#length = ((this.#length << 8) | (piece[at] as number)) >>> 0;
        this.#prefix += 1;
        at += 1;
        this.#left = this.#length;
      } else {
        const taken = Math.min(this.#left, piece.byteLength - at);
        this.#left -= taken;
        at += taken;
      }
      if (this.#prefix === prefixLength && this.#left === 0) {
        isEnd = true;
        this.#prefix = 0;
        this.#length = 0;
      }
    }
    return isEnd;
  }
}
