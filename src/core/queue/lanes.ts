import { Lane } from './lane.ts';

/** The lanes by user. A lane that is dropped is used again for the next user. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** The only lane, while there is no other: many orders come and go alone, and use no table. */
  #alone: Lane | undefined = undefined;
  /** The lane that was dropped last. */
  #spare: Lane | undefined = undefined;

  get size(): number {
    return this.#alone === undefined ? this.#lanes.size : 1;
  }

  all(): Lane[] {
    return this.#alone === undefined ? [...this.#lanes.values()] : [this.#alone];
  }

  get(userId: string): Lane | undefined {
    const alone = this.#alone;
    if (alone === undefined) return this.#lanes.get(userId);
    return alone.userId === userId ? alone : undefined;
  }

  /** Adds a lane for a user who has none. */
  add(userId: string): Lane {
    const lane = this.#newLane(userId);
    const alone = this.#alone;
    if (alone === undefined && this.#lanes.size === 0) this.#alone = lane;
    else {
      this.#alone = undefined;
      if (alone !== undefined) this.#lanes.set(alone.userId, alone);
      this.#lanes.set(userId, lane);
    }
    return lane;
  }

  /** Removes a lane in which nothing waits and of which nothing is taken. */
  drop(lane: Lane): void {
    if (lane === this.#alone) this.#alone = undefined;
    else this.#lanes.delete(lane.userId);
    this.#spare = lane;
  }

  #newLane(userId: string): Lane {
    const lane = this.#spare;
    if (lane === undefined) return new Lane(userId);
    this.#spare = undefined;
    lane.userId = userId;
    lane.stops = 0;
    return lane;
  }
}
