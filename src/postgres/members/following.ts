import { sendNotes } from '../statements/notify.ts';
import type { Channels } from './channels.ts';
import type { Life } from './life.ts';
import type { Shares } from './shares.ts';
import type { PeerRow } from './statements.ts';

/** What a processor that follows is notified with. */
export const appliedNote = 'applied';

/** How long settlements of several calls are gathered for one note, in milliseconds. */
const gatherMs = 20;

/**
 * Who follows what is settled, because a reader waits there: whether this processor does, and which others do, which are
 * notified of settlements, once for several calls.
 */
export class Following {
  readonly #channels: Channels;
  readonly #beatMs: number;
  readonly #mayBeApplied: () => void;
  #isFollowing = false;
  /** The other processors that follow. */
  #numbers: readonly number[] = [];
  #timer: NodeJS.Timeout | undefined;
  #sentAt = 0;

  /** @param applied - called when others may have settled orders */
  constructor(channels: Channels, beatMs: number, applied: () => void) {
    this.#channels = channels;
    this.#beatMs = beatMs;
    this.#mayBeApplied = applied;
  }

  /** @param shares - of the life that there is */
  follow(isFollowing: boolean, shares: Shares | undefined): void {
    this.#isFollowing = isFollowing;
    if (shares !== undefined) void this.#tell(shares);
  }

  /** A life has begun. */
  begin(shares: Shares): void {
    if (this.#isFollowing) void this.#tell(shares);
  }

  /** A note has come, or one may have been missed. */
  heard(): void {
    if (this.#isFollowing) this.#mayBeApplied();
  }

  /** @param peers - all processors, as a beat has found them */
  found({ number }: Life, peers: readonly PeerRow[]): void {
    const others = peers.filter((peer) => peer.follows && peer.number !== number);
    this.#numbers = others.map((peer) => peer.number);
  }

  /** Orders were settled. Others ask in time for what no note has come of. */
  applied(life: Life): void {
    if (this.#numbers.length === 0 || this.#timer !== undefined) return;
    const inMs = this.#sentAt + gatherMs - performance.now();
    if (inMs <= 0) this.#send(life);
    else {
      this.#timer = setTimeout(() => {
        this.#timer = undefined;
        this.#send(life);
      }, inMs);
    }
  }

  async #tell(shares: Shares): Promise<void> {
    await shares.follow(this.#isFollowing);
    this.heard();
    // The others know it by their next beats, and what they settle until then is looked for.
    setTimeout(() => this.heard(), 2 * this.#beatMs).unref();
  }

  #send(life: Life): void {
    if (life.isOver) return;
    this.#sentAt = performance.now();
    const notes = this.#numbers.map((number) => {
      return { channel: this.#channels.outcomes(number), note: appliedNote };
    });
    sendNotes(life.settle, notes).catch(() => {});
  }
}
