import { type Linked, LinkedList } from '../collections/linked-list.ts';

/** What the queue needs of an entry. The links and `lane` are the queue's own. */
export interface QueueEntry extends Linked<QueueEntry> {
  readonly userId: string;
  /** 0 is high, 1 medium, 2 low. */
  readonly rank: number;
  lane: Lane | undefined;
}

/** Why nothing is taken of a lane, one bit each. */
export const stops = { paused: 1, held: 2, limited: 4 } as const;

/** One user's waiting orders. It exists only while the user has orders waiting or taken. */
export class Lane extends LinkedList<QueueEntry> implements Linked<Lane> {
  userId: string;
  waiting = 0;
  /** How many of the waiting entries have rank 0, and how many rank 1. */
  highs = 0;
  mediums = 0;
  /** Taken and not yet released; a claim counts as one. */
  taken = 0;
  /** It is taken by a claim. */
  isClaimed = false;
  /** How many were taken in a row since this lane came to the head of its ring. */
  streak = 0;
  /** The ring that the lane stands in, if any. */
  ring: Ring | undefined = undefined;
  /** The bits of `stops` that keep the lane; 0 for none. */
  stops = 0;
  prev: Lane | undefined = undefined;
  next: Lane | undefined = undefined;

  constructor(userId: string) {
    super();
    this.userId = userId;
  }

  /** A lane is as urgent as its most urgent waiting entry. */
  get rank(): number {
    if (this.highs > 0) return 0;
    return this.mediums > 0 ? 1 : 2;
  }

  count(entry: QueueEntry, by: 1 | -1): void {
    this.waiting += by;
    if (entry.rank === 0) this.highs += by;
    else if (entry.rank === 1) this.mediums += by;
  }
}

/** The runnable lanes of one rank, in turn. */
export class Ring extends LinkedList<Lane> {
  /**
   * Takes since its last one that went to another ring while this one had lanes. Not forgotten when it has none for
   * a moment: a lane that has become more urgent may come back.
   */
  passedOver = 0;

  /** @param most - how many takes may have passed it over */
  isDue(most: number): boolean {
    return this.passedOver >= most && this.head !== undefined;
  }
}

/** How many takes in a row may pass over the waiting lanes of each rank. */
export const passedOverAtMost: readonly number[] = [0, 4, 16];

/** The ring whose turn it is, of the rings of the three ranks. */
export function nextRing([high, medium, low]: readonly [Ring, Ring, Ring]): Ring | undefined {
  let ring: Ring | undefined;
  if (low.isDue(passedOverAtMost[2] as number)) ring = low;
  else if (medium.isDue(passedOverAtMost[1] as number)) ring = medium;
  else if (high.head !== undefined) ring = high;
  else if (medium.head !== undefined) ring = medium;
  else if (low.head !== undefined) ring = low;
  if (medium.head !== undefined && ring !== medium) medium.passedOver += 1;
  if (low.head !== undefined && ring !== low) low.passedOver += 1;
  if (ring !== undefined) ring.passedOver = 0;
  return ring;
}
