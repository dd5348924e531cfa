import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from '../../../kit/random.ts';
import type { Crew } from '../crew.ts';
import type { Answer, ReleaseRequest, Request, SeenHold } from '../messages.ts';
import type { Witness } from '../witness.ts';
import type { WorkerError } from '../worker-process.ts';
import { type Callers, passing } from './callers.ts';
import { payers, pick, upTo } from './orders.ts';

/** A lane was held by hand: what was called after the first place did not begin before the row of a run. */
export interface HeldTime {
  readonly userId: string;
  /** Where the log of calls was when the hold was acknowledged. */
  readonly from: number;
  /** The last row that a run had written before anything was asked that could end the hold. */
  readonly to: number;
}

/** How many hold lanes by hand. */
const operators = 3;

/** Hold and release lanes at any worker: their own holds, and those of orders that have failed. */
export class Operators {
  readonly heldTimes: HeldTime[] = [];
  /** How often each thing was done. */
  readonly counts = new Map<string, number>();
  readonly #crew: Crew;
  readonly #callers: Callers;
  readonly #witness: Witness;
  readonly #seed: number;
  readonly #report: (problem: string) => void;
  /** By user: releases that were asked for, and how many of them are not answered. Those may end a later hold. */
  readonly #releases = new Map<string, { asked: number; open: number }>();
  #isLeaving = false;
  #isOver = false;

  constructor(
    crew: Crew,
    callers: Callers,
    witness: Witness,
    seed: number,
    report: (problem: string) => void,
  ) {
    this.#crew = crew;
    this.#callers = callers;
    this.#witness = witness;
    this.#seed = seed;
    this.#report = report;
  }

  /** Resolves after `stop`. */
  async run(): Promise<void> {
    await Promise.all([
      this.#release(randomFrom(this.#seed ^ 0x7e1e)),
      ...Array.from({ length: operators }, (_, at) => this.#hold(at)),
    ]);
  }

  /** No more lanes are held by hand, and all are released. */
  leave(): void {
    this.#isLeaving = true;
  }

  stop(): void {
    this.#isOver = true;
  }

  /** Holds lanes of users that are this operator's alone. */
  async #hold(operator: number): Promise<void> {
    const random = randomFrom(this.#seed + 15_485_863 * (operator + 1));
    const own = payers.filter((_, at) => at % operators === operator);
    for (let count = 0; !this.#isLeaving; count += 1) {
      await sleep(random() * 400);
      await this.#holdOne(pick(own, random), `${operator}-${count}`, random);
    }
  }

  async #holdOne(userId: string, reason: string, random: () => number): Promise<void> {
    const hold = await this.#untilHeld(userId, reason, random);
    if (hold === undefined) return;
    // A release of the order that holds the lane too would end it.
    const isByHand = hold.orderId === undefined;
    const { asked, open } = { ...this.#releasesOf(userId) };
    const from = this.#callers.place;
    for (let left = upTo(3, random); left > 0; left -= 1) {
      const order = { userId, amount: upTo(9, random), payload: { isQuick: random() < 0.5 } };
      await this.#callers.handIn('enqueue', { id: `held-${reason}-${left}`, ...order }, random);
    }
    await sleep(random() * 2_000);
    if (isByHand && open === 0) await this.#judge(userId, from, asked);
    await this.#untilReleased(userId, random);
  }

  async #untilHeld(
    userId: string,
    reason: string,
    random: () => number,
  ): Promise<SeenHold | undefined> {
    while (!this.#isLeaving) {
      const answer = await this.#ask({ do: 'hold', userId, reason }, random, []);
      if (answer?.status === 'held') return answer.hold;
    }
    return undefined;
  }

  /** @param asked - how many releases had been asked for when the lane was held */
  async #judge(userId: string, from: number, asked: number): Promise<void> {
    const [row] = await this.#witness.query<{ to: number; is_held: boolean }>(
      `SELECT (SELECT coalesce(max(at), 0)::int FROM chaos.runs) AS to,
         EXISTS (SELECT FROM chaos.holds WHERE user_id = $1 AND is_by_hand) AS is_held`,
      [userId],
    );
    if (row === undefined || this.#releasesOf(userId).asked > asked) return;
    this.#count('held by hand');
    if (!row.is_held) this.#report(`The hold of ${userId} is not there (invariant 9)`);
    this.heldTimes.push({ userId, from, to: row.to });
  }

  /** An order may have failed meanwhile, and hold the lane too. */
  async #untilReleased(userId: string, random: () => number): Promise<void> {
    for (let tries = 0; !this.#isLeaving; tries += 1) {
      const action = tries % 2 === 0 ? undefined : pick(['retry', 'skip'] as const, random);
      if (await this.#askToRelease({ do: 'release', userId, action }, random)) return;
    }
  }

  /** Releases what orders hold that have failed, in one way or another, and in the end everything. */
  async #release(random: () => number): Promise<void> {
    while (!this.#isOver) {
      await sleep(this.#isLeaving ? 50 : random() * 200);
      const answer = await this.#ask({ do: 'holds' }, random, []);
      if (answer?.status !== 'holds') continue;
      const { holds } = answer;
      const some = this.#isLeaving ? holds : holds.filter(({ reason }) => reason === undefined);
      await Promise.all(some.map((hold) => this.#end(hold, random)));
    }
  }

  async #end({ userId, orderId }: SeenHold, random: () => number): Promise<void> {
    const how = random();
    if (orderId === undefined) await this.#askToRelease({ do: 'release', userId }, random);
    else if (how < 0.15) {
      this.#count('held order canceled');
      await this.#callers.cancel(orderId, random);
    } else if (how < 0.8 || this.#isLeaving) {
      const action = how < 0.55 ? 'retry' : 'skip';
      const isDone = await this.#askToRelease({ do: 'release', userId, action, orderId }, random);
      if (isDone) this.#count(`held order released, ${action}`);
    }
  }

  /** Returns whether it was answered that the lane is not held any more, or not by that order. */
  async #askToRelease(request: ReleaseRequest, random: () => number): Promise<boolean> {
    const releases = this.#releasesOf(request.userId);
    releases.asked += 1;
    releases.open += 1;
    let isGone = false;
    const answer = await this.#ask(request, random, ['not_held', 'unknown'], (error) => {
      isGone = error?.code === 'not_held';
      releases.open -= 1;
    });
    return answer?.status === 'released' || isGone;
  }

  #releasesOf(userId: string): { asked: number; open: number } {
    const releases = this.#releases.get(userId) ?? { asked: 0, open: 0 };
    this.#releases.set(userId, releases);
    return releases;
  }

  /** @param expected - the codes of errors that say something of the lane; a TypeError has `unknown` */
  #ask(
    request: Request,
    random: () => number,
    expected: readonly string[],
    ended?: (error: WorkerError | undefined) => void,
  ): Promise<Answer | undefined> {
    return this.#crew.ask(request, random, {
      answered: () => ended?.(undefined),
      failed: (error) => {
        ended?.(error);
        const { code, message } = error;
        const isMistaken = code === 'unknown' && !/^Expected (`action`|a failed)/.test(message);
        if (!isMistaken && [...passing, ...expected].includes(code)) return;
        this.#report(`${JSON.stringify(request)} failed: ${code} ${message}`);
      },
    });
  }

  #count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }
}
