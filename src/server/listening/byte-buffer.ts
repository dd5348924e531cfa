/** The first size, in bytes; most bodies fit. */
const firstSize = 1_024;

/**
 * Bytes that come in pieces, copied into one buffer that grows. The pieces are not kept: each costs some 300
 * bytes beside its own, so a list of one-byte pieces would take 300 times what was sent.
 */
export class ByteBuffer {
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;
  #pieces = 0;

  /** How many bytes there are. */
  get length(): number {
    return this.#length;
  }

  /** In how many pieces they came. */
  get pieces(): number {
    return this.#pieces;
  }

  append(piece: Uint8Array): void {
    const length = this.#length + piece.byteLength;
    if (length > this.#bytes.byteLength) this.#grow(length);
    this.#bytes.set(piece, this.#length);
    this.#length = length;
    this.#pieces += 1;
  }

  /** Returns all bytes and empties the buffer. */
  take(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.clear();
    return bytes;
  }

  clear(): void {
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
    this.#pieces = 0;
  }

  #grow(length: number): void {
    const size = Math.max(length, firstSize, 2 * this.#bytes.byteLength);
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = bytes;
  }
}
