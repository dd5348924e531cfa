import type { OwnedPartition } from '../../core/storage/shared-storage.ts';
import { integersOf, plainArray } from '../values/literals.ts';
import { evict } from './evict.ts';
import { fairShare } from './fair-share.ts';
import { type BeatSettings, Heartbeat } from './heartbeat.ts';
import type { Life } from './life.ts';
import {
  disownStatement,
  followStatement,
  giveStatement,
  type PeerRow,
  removeStatement,
  retakeStatement,
  shareStatement,
  takeStatement,
} from './statements.ts';

export interface ShareSettings extends BeatSettings {
  readonly partitions: number;
  /** For how long what runs of a partition is waited for when it is handed over, in milliseconds; 30 000 by default. */
  readonly handOverMs?: number | undefined;
}

/** What becomes of partitions. No function throws. */
export interface ShareListener {
  gained(partition: OwnedPartition): void;
  released(partition: OwnedPartition): Promise<void>;
  lost(partition: OwnedPartition): void;
  /** How many of its orders are in memory. */
  sizeOf(partition: OwnedPartition): number;
  /** A beat has found these processors. */
  found(peers: readonly PeerRow[]): void;
  /** The beat has shown how many partitions the processor is to own, and it owns as many. */
  settled(): void;
}

interface Owned {
  readonly partition: OwnedPartition;
  isReleasing: boolean;
}

/**
 * Which partitions the processor owns in one life. Each processor computes its share from the same table, takes what is
 * free and hands over what it has beyond that: there is no coordinator.
 *
 * ```text
 * free ─▶ gained ─▶ released ─▶ (its orders have ended) ─▶ free
 *            └──────────┴─▶ lost: refused by the fence, not in the table, not ended in time, the life is over
 * ```
 */
export class Shares {
  readonly #life: Life;
  readonly #settings: ShareSettings;
  readonly #listener: ShareListener;
  readonly #heartbeat: Heartbeat;
  readonly #owned = new Map<number, Owned>();
  /** Partitions that go back to the table, each with the epochs that this adds. */
  readonly #toGive = new Map<number, number>();
  #isTending = false;
  #tendsAgain = false;

  constructor(life: Life, settings: ShareSettings, listener: ShareListener) {
    this.#life = life;
    this.#settings = settings;
    this.#listener = listener;
    this.#heartbeat = new Heartbeat(life, settings, () => this.tend());
  }

  /** Beats, and does what the table then asks for; once more, if that goes on. */
  tend(): void {
    this.#tendsAgain = true;
    if (!this.#isTending) void this.#tendAll();
  }

  /** From now on the processor is to own its share of the partitions, or none where there are others. */
  async share(isSharing: boolean): Promise<void> {
    const { beat, number, token } = this.#life;
    const values = [number, token, isSharing, this.#settings.channels.control];
    // Where it fails, the life ends by its next beats.
    await beat.alone(() => beat.query(shareStatement, values)).catch(() => {});
    this.tend();
  }

  /** From now on the other processors notify this one of settlements, or not any more. */
  async follow(isFollowing: boolean): Promise<void> {
    const { beat, number, token } = this.#life;
    const values = [number, token, isFollowing, this.#settings.channels.control];
    await beat.alone(() => beat.query(followStatement, values)).catch(() => {});
  }

  /** The fence has refused something of these partitions. What the processor still owns it gains anew. */
  lost(parts: Iterable<number>): void {
    for (const part of parts) this.#lose(part);
    this.tend();
  }

  /** See {@link Heartbeat.mayBegin}. */
  mayBegin(): boolean {
    return this.#heartbeat.mayBegin();
  }

  /** The life is over. */
  end(): void {
    this.#heartbeat.stop();
    for (const part of [...this.#owned.keys()]) this.#lose(part);
  }

  /** Takes the processor out of the table, with whatever it still owns. */
  async remove(): Promise<void> {
    this.#heartbeat.stop();
    const { settle, number, token } = this.#life;
    const { control } = this.#settings.channels;
    await settle.transaction(async () => {
      await settle.query(disownStatement, [number]);
      await settle.query(removeStatement, [number, token, control, 'left']);
    });
  }

  async #tendAll(): Promise<void> {
    this.#isTending = true;
    while (this.#tendsAgain && !this.#life.isOver) {
      this.#tendsAgain = false;
      try {
        await this.#tendOnce();
      } catch {
        // The next beat tries again, or ends the life.
      }
    }
    this.#isTending = false;
  }

  async #tendOnce(): Promise<void> {
    const { partitions } = this.#settings;
    const { number, token } = this.#life;
    const peers = await this.#heartbeat.beat();
    if (peers === undefined || this.#life.isOver) return;
    this.#listener.found(peers);
    const self = peers.find((peer) => peer.number === number && peer.token === token);
    if (self?.isHere !== true) {
      this.#life.end(new Error('Other processors have ended this one’s time at the database'));
      return;
    }
    for (const peer of peers) {
      if (peer === self || !(peer.isGone || peer.isStale)) continue;
      if (await evict(this.#life, peer, this.#settings)) this.#tendsAgain = true;
    }
    // The shares are others now.
    if (this.#tendsAgain) return;
    await this.#reconcile(integersOf(self.parts));
    const active = [...this.#owned.values()].filter(({ isReleasing }) => !isReleasing).length;
    const share = fairShare(peers, number, partitions);
    if (active > share) this.#release(active - share);
    else if (active < share && self.shares) await this.#take(share - active);
    if (self.shares && this.#owned.size >= share) this.#listener.settled();
  }

  /** What the table says holds: an answer may have been lost after its commit, or the fence has refused something. */
  async #reconcile(inTable: readonly number[]): Promise<void> {
    for (const [part, { isReleasing }] of this.#owned) {
      if (!isReleasing && !inTable.includes(part)) this.#lose(part);
    }
    const unknown = inTable.filter((part) => !this.#owned.has(part));
    if (unknown.length === 0) return;
    const { beat, number, token } = this.#life;
    const values = [number, token, plainArray(unknown)];
    this.#gain(await beat.query<{ part: number }>(retakeStatement, values));
  }

  async #take(most: number): Promise<void> {
    const { beat, number, token } = this.#life;
    this.#gain(await beat.query<{ part: number }>(takeStatement, [number, token, most]));
  }

  #gain(rows: readonly { part: number }[]): void {
    if (this.#life.isOver) return;
    for (const { part } of rows) {
      const partition: OwnedPartition = { number: part };
      this.#owned.set(part, { partition, isReleasing: false });
      this.#listener.gained(partition);
    }
  }

  /** Hands over those with the fewest orders. */
  #release(count: number): void {
    const idlest = [...this.#owned.values()]
      .filter(({ isReleasing }) => !isReleasing)
      .map((owned) => ({ owned, size: this.#listener.sizeOf(owned.partition) }))
      .sort((one, other) => one.size - other.size)
      .slice(0, count);
    for (const { owned } of idlest) void this.#handOver(owned);
  }

  async #handOver(owned: Owned): Promise<void> {
    const { partition } = owned;
    owned.isReleasing = true;
    const { promise: isLate, resolve } = Promise.withResolvers<boolean>();
    const { handOverMs = 30_000 } = this.#settings;
    const timer = setTimeout(resolve, handOverMs, true);
    const isReleased = this.#listener.released(partition).then(
      () => false,
      () => true,
    );
    const mayRun = await Promise.race([isReleased, isLate]);
    clearTimeout(timer);
    if (this.#owned.get(partition.number) !== owned) return;
    if (mayRun) this.#listener.lost(partition);
    this.#give(partition.number, mayRun ? 1 : 0);
  }

  /** Behind all settlements that were sent, so that none of them comes after the next owner's reads. */
  #give(part: number, epochs: number): void {
    this.#toGive.set(part, epochs);
    if (this.#toGive.size === 1) queueMicrotask(() => this.#giveAll());
  }

  #giveAll(): void {
    const given = Map.groupBy(this.#toGive, ([, epochs]) => epochs);
    this.#toGive.clear();
    const { settle, number } = this.#life;
    const { control } = this.#settings.channels;
    for (const [epochs, entries] of given) {
      const parts = entries.map(([part]) => part);
      const values = [number, plainArray(parts), epochs, control];
      settle
        .alone(() => settle.query(giveStatement, values))
        .then(() => {
          for (const part of parts) this.#owned.delete(part);
          this.tend();
        })
        .catch(() => {
          // They are the processor's in the table, and it gains them anew.
          for (const part of parts) this.#lose(part);
        });
    }
  }

  #lose(part: number): void {
    const owned = this.#owned.get(part);
    if (owned === undefined) return;
    this.#owned.delete(part);
    this.#listener.lost(owned.partition);
  }
}
