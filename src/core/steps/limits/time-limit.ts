import { type Linked, LinkedList } from '../../collections/linked-list.ts';
import type { Clock } from '../../runtime/clock.ts';

/** Node's own `setTimeout`, unless the library was loaded later than a test's fake timers. */
const { setTimeout: loaded } = globalThis;

/** An owner of a time limit that is one of its options. */
export interface Limited {
  timeOut(timeoutMs: number): void;
}

/** One owner under a limit, until its time is up or it ends. */
export class LimitedTime<Owner> implements Linked<LimitedTime<Owner>> {
  readonly owner: Owner;
  prev: LimitedTime<Owner> | undefined = undefined;
  next: LimitedTime<Owner> | undefined = undefined;
  /** The owners that share its timer; `undefined` when it has ended. */
  group: Group<Owner> | undefined;

  constructor(owner: Owner, group: Group<Owner>) {
    this.owner = owner;
    this.group = group;
    group.push(this);
  }

  /** Ends its limit. */
  end(): void {
    const { group } = this;
    if (group === undefined) return;
    this.group = undefined;
    group.remove(this);
    if (group.isEmpty) clearTimeout(group.timer);
  }
}

/** The owners that began in the same millisecond under the same limit, with one timer. */
class Group<Owner> extends LinkedList<LimitedTime<Owner>> {
  readonly beganAt: number;
  readonly timer: NodeJS.Timeout;

  constructor(beganAt: number, ms: number, expired: (owner: Owner) => void) {
    super();
    this.beganAt = beganAt;
    this.timer = setTimeout(() => {
      for (const each of this.all()) {
        // One owner's expiry may end the limits of others.
        if (each.group !== this) continue;
        each.end();
        expired(each.owner);
      }
    }, ms);
  }
}

/**
 * A time limit that many owners have in common. A timer for each would cost more than most steps take, so owners that
 * begin in the same millisecond share one. The global `setTimeout` of the moment makes it. If a test has replaced that,
 * its time differs from the clock's, so each owner has a timer of its own.
 */
export class TimeLimit<Owner> {
  readonly ms: number;
  readonly #clock: Clock;
  readonly #expired: (owner: Owner) => void;
  #latest: Group<Owner> | undefined = undefined;

  /** @param expired - called in the async context of one of the owners that began in the same millisecond */
  constructor(ms: number, clock: Clock, expired: (owner: Owner) => void) {
    this.ms = ms;
    this.#clock = clock;
    this.#expired = expired;
  }

  /** Begins a limit; the clock has just been read. */
  begin(owner: Owner): LimitedTime<Owner> {
    const latest = this.#latest;
    const now = this.#clock.last;
    if (latest?.beganAt === now && !latest.isEmpty && globalThis.setTimeout === loaded) {
      return new LimitedTime(owner, latest);
    }
    this.#latest = new Group(now, this.ms, this.#expired);
    return new LimitedTime(owner, this.#latest);
  }

  /** The same for a limit of which a part has passed. */
  beginLate(owner: Owner, leftMs: number): LimitedTime<Owner> {
    return new LimitedTime(owner, new Group(this.#clock.last, leftMs, this.#expired));
  }
}
