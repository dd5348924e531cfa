import { afterEach, describe, expect, it, vi } from 'vitest';
import { bySignal, inTime, RequestTimeouts } from '../../../src/http/request/request-timeouts.ts';

afterEach(() => {
  vi.useRealTimers();
});

describe('timeouts of requests', () => {
  const request = (signal?: AbortSignal): Request =>
    new Request('http://localhost/', signal === undefined ? {} : { signal });
  const late = (): Error => new Error('late');
  const never = (): Promise<never> => new Promise(() => {});
  const untilAborted = (signal: AbortSignal): Promise<never> =>
    new Promise((_, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')));
    });
  const ways = [
    [
      'bySignal',
      (of: Request, ms: number, by: RequestTimeouts) =>
        bySignal(of, ms, late, untilAborted, late, by),
    ],
    ['inTime', (of: Request, ms: number, by: RequestTimeouts) => inTime(of, ms, late, never(), by)],
  ] as const;

  it.each(ways)('%s ends after its limit, no sooner, and leaves no timer', async (_, wait) => {
    vi.useFakeTimers();
    const timeouts = new RequestTimeouts();
    const ends: string[] = [];
    for (const ms of [1, 1_000, 5_000]) {
      wait(request(), ms, timeouts).catch(({ message }) => ends.push(`${ms} ${message}`));
    }
    await vi.advanceTimersByTimeAsync(1_000);
    expect(ends).toEqual(['1 late']);
    await vi.advanceTimersByTimeAsync(500);
    expect(ends).toEqual(['1 late', '1000 late']);
    await vi.advanceTimersByTimeAsync(3_500);
    expect(ends).toEqual(['1 late', '1000 late']);
    await vi.advanceTimersByTimeAsync(500);
    expect(ends).toEqual(['1 late', '1000 late', '5000 late']);
    expect(vi.getTimerCount()).toBe(0);
  });

  it.each(ways)('%s ends when the client has gone', async (_, wait) => {
    vi.useFakeTimers();
    const controller = new AbortController();
    const gone = expect(
      wait(request(controller.signal), 60_000, new RequestTimeouts()),
    ).rejects.toMatchObject({ status: 408, code: 'canceled' });
    controller.abort();
    await vi.advanceTimersByTimeAsync(250);
    await gone;
  });

  it('hands on what is waited for', async () => {
    const own = new Error('own');
    expect(await bySignal(request(), 1, late, async () => 7)).toBe(7);
    expect(await inTime(request(), 1, late, Promise.resolve(7))).toBe(7);
    await expect(bySignal(request(), 1, late, () => Promise.reject(own))).rejects.toBe(own);
    await expect(inTime(request(), 1, late, Promise.reject(own))).rejects.toBe(own);
  });

  it('bySignal gives up work that does not heed it', async () => {
    vi.useFakeTimers();
    const unanswered = (): Error => new Error('unanswered');
    const wait = bySignal(request(), 1, late, never, unanswered, new RequestTimeouts());
    const ended = expect(wait).rejects.toThrow('unanswered');
    await vi.advanceTimersByTimeAsync(2_000);
    await ended;
  });

  it('bySignal hands on what succeeds in spite of the signal', async () => {
    vi.useFakeTimers();
    const timeouts = new RequestTimeouts();
    const work = async (signal: AbortSignal): Promise<number> => {
      await untilAborted(signal).catch(() => {});
      return 7;
    };
    const wait = bySignal(request(), 1, late, work, late, timeouts);
    await vi.advanceTimersByTimeAsync(1_000);
    expect(await wait).toBe(7);
  });
});
