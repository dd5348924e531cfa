import { afterEach, describe, expect, it, vi } from 'vitest';
import { Channels } from '../../../src/postgres/members/channels.ts';
import { Heartbeat } from '../../../src/postgres/members/heartbeat.ts';
import type { Life } from '../../../src/postgres/members/life.ts';
import { ServerClock } from '../../../src/postgres/sessions/server-clock.ts';

afterEach(() => vi.restoreAllMocks());

/** A life whose beats are answered at once. */
function begun() {
  const ends: string[] = [];
  const life = {
    isOver: false,
    beat: { alone: (act: () => unknown) => act(), query: async () => [] },
    end: ({ message }: Error) => void ends.push(message),
  } as unknown as Life;
  const clock = new ServerClock();
  const settings = { channels: new Channels('op'), clock, beatMs: 1_000, staleMs: 5_000 };
  const heartbeat = new Heartbeat(life, settings, () => {});
  return { heartbeat, ends };
}

describe('invariant 12: no step begins when no beat was answered for half of the stale time', () => {
  it.each([
    ['the monotonic clock', performance],
    ['the clock of the machine, while the other one stood still', Date],
  ] as const)('by %s', async (_, clock) => {
    const { heartbeat, ends } = begun();
    const now = clock.now();
    const reading = vi.spyOn(clock, 'now').mockReturnValue(now + 2_400);
    expect([heartbeat.mayBegin(), ends]).toEqual([true, []]);
    await heartbeat.beat();
    reading.mockReturnValue(now + 4_800);
    expect([heartbeat.mayBegin(), ends]).toEqual([true, []]);
    reading.mockReturnValue(now + 5_000);
    expect(heartbeat.mayBegin()).toBe(false);
    expect(ends).toEqual(['PostgreSQL has not answered for 2600 ms']);
    heartbeat.stop();
  });

  it('whichever clock was set back', () => {
    const { heartbeat, ends } = begun();
    vi.spyOn(Date, 'now').mockReturnValue(Date.now() - 3_600_000);
    expect(heartbeat.mayBegin()).toBe(true);
    vi.spyOn(performance, 'now').mockReturnValue(performance.now() + 3_000);
    expect(heartbeat.mayBegin()).toBe(false);
    expect(ends).toHaveLength(1);
    heartbeat.stop();
  });
});
