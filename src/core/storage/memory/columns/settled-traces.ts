import { type TraceContext, traceContextOf } from '../../../order/trace/trace-context.ts';
import { ofString } from '../../../runtime/size-of.ts';

/** About how many bytes a trace takes, as the text in which it is kept: all of that is ASCII. */
export function bytesOfTrace(text: string | undefined): number {
  return text === undefined ? 0 : ofString + text.length;
}

/** The traces of settled orders as text, slot by slot. There is nothing before the first order that has one. */
export class SettledTraces {
  #texts: (string | undefined)[] | undefined;

  /** @param slot - the one behind the last one, or an earlier one */
  write(slot: number, text: string | undefined): void {
    if (text === undefined && this.#texts === undefined) return;
    // Without holes: an array with holes is slower for good.
    this.#texts ??= new Array<string | undefined>(slot).fill(undefined);
    this.#texts[slot] = text;
  }

  release(slot: number): void {
    if (this.#texts?.[slot] !== undefined) this.#texts[slot] = undefined;
  }

  bytesIn(slot: number): number {
    return bytesOfTrace(this.#texts?.[slot]);
  }

  /** The field of an order that has a trace; nothing for any other. */
  fieldIn(slot: number): { readonly traceContext?: TraceContext } {
    const text = this.#texts?.[slot];
    return text === undefined ? {} : { traceContext: traceContextOf(text) };
  }
}
