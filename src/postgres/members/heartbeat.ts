import type { ServerClock } from '../sessions/server-clock.ts';
import type { Channels } from './channels.ts';
import type { Life } from './life.ts';
import { beatStatement, type PeerRow } from './statements.ts';

export interface BeatSettings {
  readonly channels: Channels;
  /** Between two beats. */
  readonly beatMs: number;
  /** After so much silence, by the server's clock, the others end this processor's time. */
  readonly staleMs: number;
  readonly clock: ServerClock;
}

/**
 * Says again and again that the processor lives. It ends its own life before the others would: if a beat is not
 * answered in half of the time that they allow, or all have failed for so long.
 */
export class Heartbeat {
  readonly #life: Life;
  readonly #settings: BeatSettings;
  readonly #timer: NodeJS.Timeout;
  /** When the newest beat was sent that was answered, by the monotonic clock. */
  #answered = performance.now();
  /** The same by the machine's clock: the monotonic one stands still while the machine sleeps. */
  #answeredAt = Date.now();
  #failure: unknown;

  /** @param tend - calls `beat` */
  constructor(life: Life, settings: BeatSettings, tend: () => void) {
    this.#life = life;
    this.#settings = settings;
    this.#timer = setInterval(() => {
      this.#check();
      if (!life.isOver) tend();
    }, settings.beatMs);
  }

  /** For how long the server has not answered, in milliseconds. */
  get ageMs(): number {
    return performance.now() - this.#answered;
  }

  /**
   * @returns all processors, this one included; `undefined` if the beat failed, and another one will follow
   */
  async beat(): Promise<readonly PeerRow[] | undefined> {
    const { number, token, beat } = this.#life;
    const { channels, clock, staleMs } = this.#settings;
    const sent = performance.now();
    const sentAt = Date.now();
    const limitMs = staleMs / 2;
    const timer = setTimeout(() => {
      this.#life.end(new Error(`PostgreSQL has not answered for ${limitMs} ms`));
    }, limitMs);
    try {
      const values = [number, token, staleMs, channels.lockKey];
      const peers = await beat.alone(() => beat.query<PeerRow>(beatStatement, values));
      if (peers[0] !== undefined) clock.answered(sentAt, peers[0].serverAt);
      this.#answered = sent;
      this.#answeredAt = sentAt;
      this.#failure = undefined;
      return peers;
    } catch (error) {
      this.#failure = error;
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Whether the others cannot have ended this processor's time, by either clock: a machine's clock that is set forward
   * costs no more than another life. If they may have, the life ends before the answer.
   */
  mayBegin(): boolean {
    const silentMs = Math.max(this.ageMs, Date.now() - this.#answeredAt);
    if (silentMs <= this.#settings.staleMs / 2) return true;
    this.#life.end(new Error(`PostgreSQL has not answered for ${Math.round(silentMs)} ms`));
    return false;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** The process may have been stopped for longer than the others wait, or no beat succeeds. */
  #check(): void {
    const { staleMs } = this.#settings;
    if (this.#failure !== undefined && this.ageMs > staleMs / 2) {
      this.#life.end(this.#failure as Error);
    } else if (this.ageMs > staleMs) {
      this.#life.end(new Error(`The process did not run for ${Math.round(this.ageMs)} ms`));
    }
  }
}
