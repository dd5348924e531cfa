import { isUtf8 } from 'node:buffer';
import type { HttpError } from '../../server/http-error.ts';
import { ByteBuffer } from '../../server/listening/byte-buffer.ts';
import { hasTooManyPieces, textOf, tooLarge } from './request-body.ts';
import { parseStrictly } from './strict-json.ts';

export const newline = 0x0a;

/** A line: its value, or the error if it has none. */
export type Line = { readonly value: unknown } | { readonly error: HttpError };

/**
 * Splits a body into lines and parses each. A line that is longer than the limit is refused, and nothing of it is
 * kept. Blank lines are skipped.
 */
export class LineParser {
  readonly #limitBytes: number;
  /** The beginning of a line whose end has not come. */
  readonly #rest = new ByteBuffer();
  #isTooLong = false;

  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  /** The lines that end in a chunk. */
  push(chunk: Uint8Array): Line[] {
    const lines: Line[] = [];
    const first = chunk.indexOf(newline);
    if (first === -1) {
      this.#keep(chunk);
      return lines;
    }
    this.#keep(chunk.subarray(0, first));
    lines.push(...this.end());
    const last = chunk.lastIndexOf(newline);
    if (last > first) this.#parseAll(chunk.subarray(first + 1, last), lines);
    this.#keep(chunk.subarray(last + 1));
    return lines;
  }

  /** The last line may have no end. */
  end(): Line[] {
    const isTooLong = this.#isTooLong;
    const bytes = this.#rest.take();
    this.#isTooLong = false;
    return isTooLong ? [{ error: tooLarge('The line', this.#limitBytes) }] : this.#parse(bytes);
  }

  /** Whole lines, decoded together, which is much faster; one by one if that fails for one of them. */
  #parseAll(bytes: Uint8Array, lines: Line[]): void {
    if (bytes.byteLength <= this.#limitBytes && isUtf8(bytes)) {
      for (const text of Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        .toString()
        .split('\n')) {
        addLine(text, lines);
      }
      return;
    }
    for (let from = 0; from <= bytes.byteLength; ) {
      const end = bytes.indexOf(newline, from);
      const to = end === -1 ? bytes.byteLength : end;
      lines.push(...this.#parse(bytes.subarray(from, to)));
      from = to + 1;
    }
  }

  #parse(bytes: Uint8Array): Line[] {
    const lines: Line[] = [];
    if (bytes.byteLength > this.#limitBytes) {
      lines.push({ error: tooLarge('The line', this.#limitBytes) });
      return lines;
    }
    try {
      addLine(textOf(bytes), lines);
    } catch (error) {
      lines.push({ error: error as HttpError });
    }
    return lines;
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.byteLength === 0 || this.#isTooLong) return;
    // Checked before it is kept: a piece may be longer than a line may be.
    const isTooLong = this.#rest.length + bytes.byteLength > this.#limitBytes;
    if (!isTooLong) this.#rest.append(bytes);
    if (isTooLong || hasTooManyPieces(this.#rest, this.#limitBytes)) {
      this.#isTooLong = true;
      this.#rest.clear();
    }
  }
}

function addLine(text: string, lines: Line[]): void {
  if (text.trim() === '') return;
  try {
    lines.push({ value: parseStrictly(text) });
  } catch (error) {
    lines.push({ error: error as HttpError });
  }
}
