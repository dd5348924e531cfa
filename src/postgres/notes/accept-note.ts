/** A note that orders were accepted, in the order of the transactions that accepted them. */
export interface AcceptNote {
  /** Whose call it was; 0 for none's. */
  readonly processor: number;
  /** The call's number at that processor. */
  readonly call: number;
  /** The partitions of its orders: the bit of each. */
  readonly bits: bigint;
  /** The smallest sequence of its orders. */
  readonly low: number;
  /** The greatest one. */
  readonly high: number;
  /** The transaction that accepted them: of the orders between `low` and `high` those that it has accepted are meant. */
  readonly xid: string | undefined;
  /** Or the orders themselves. */
  readonly sequences: readonly number[];
}

const form = /^(\d+) (\d+) ([0-9a-f]+) (\d+) (\d+) (?:(\d+)|-((?:,\d+)+))$/;

/** @returns `undefined` for what is no such note */
export function parseAcceptNote(payload: string): AcceptNote | undefined {
  const found = form.exec(payload);
  if (found === null) return undefined;
  const [, processor, call, bits, low, high, xid, sequences] = found;
  return {
    processor: Number(processor),
    call: Number(call),
    bits: BigInt(`0x${bits}`),
    low: Number(low),
    high: Number(high),
    xid,
    sequences: sequences === undefined ? [] : sequences.slice(1).split(',').map(Number),
  };
}

/** A note has less than 8 000 bytes; a sequence takes up to 17 of them. */
const mostSequences = 400;

/**
 * Notes that name orders one by one: of orders that were accepted before, or by a transaction with savepoints.
 *
 * @param orders - each with its partition
 */
export function listNotes(
  orders: readonly { readonly sequence: number; readonly part: number }[],
): string[] {
  const notes: string[] = [];
  for (let at = 0; at < orders.length; at += mostSequences) {
    const some = orders.slice(at, at + mostSequences);
    const sequences = some.map(({ sequence }) => sequence);
    const bits = some.reduce((all, { part }) => all | (1n << BigInt(part)), 0n);
    const [low, high] = [Math.min(...sequences), Math.max(...sequences)];
    notes.push(`0 0 ${bits.toString(16)} ${low} ${high} -,${sequences.join(',')}`);
  }
  return notes;
}

/** Whether a note may be of orders of a partition. */
export function isOf({ bits }: AcceptNote, part: number): boolean {
  return ((bits >> BigInt(part)) & 1n) === 1n;
}
