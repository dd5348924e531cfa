/** A processor, as far as its share counts. */
export interface Sharer {
  readonly number: number;
  readonly shares: boolean;
}

/**
 * How many partitions a processor is to own: all processors compute the same from the same table. One that leaves keeps
 * what it has as long as there is no other.
 *
 * @param peers - all processors, by number
 */
export function fairShare(peers: readonly Sharer[], number: number, partitions: number): number {
  const sharers = peers.filter(({ shares }) => shares);
  const at = sharers.findIndex((each) => each.number === number);
  if (at === -1) return sharers.length === 0 ? partitions : 0;
  return Math.floor(partitions / sharers.length) + (at < partitions % sharers.length ? 1 : 0);
}
