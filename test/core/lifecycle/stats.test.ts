import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Percentiles, Timings } from '../../../src/core/lifecycle/stats.ts';

const minute = 60_000;
const longest = 0x7fffffff;
const nothing: Percentiles = { p50: 0, p95: 0, p99: 0, max: 0, mean: 0 };

/** The least value that so many of 100 values do not exceed. */
function exactly(sorted: readonly number[], percent: number): number {
  return sorted[Math.ceil((sorted.length * percent) / 100) - 1] as number;
}

function expectWithin16th(actual: number, exact: number): void {
  expect(actual).toBeGreaterThanOrEqual(exact);
  expect(actual).toBeLessThanOrEqual(exact + exact / 16);
}

/** Of each order of magnitude as many. */
const ms = fc
  .tuple(fc.integer({ min: 0, max: 31 }), fc.nat(longest))
  .map(([bits, value]) => value >>> bits);

describe('timings', () => {
  it('are all 0 as long as nothing is recorded', () => {
    expect(new Timings().percentiles(5)).toEqual({ waitMs: nothing, durationMs: nothing });
  });

  it('are within 1/16 above the exact percentiles', () => {
    const property = fc.property(fc.array(ms, { minLength: 1, maxLength: 300 }), (values) => {
      const timings = new Timings();
      for (const value of values) timings.record(value, 0, 0);
      const { waitMs } = timings.percentiles(0);
      const sorted = values.toSorted((a, b) => a - b);
      expectWithin16th(waitMs.p50, exactly(sorted, 50));
      expectWithin16th(waitMs.p95, exactly(sorted, 95));
      expectWithin16th(waitMs.p99, exactly(sorted, 99));
      expect(waitMs.max).toBe(exactly(sorted, 100));
      expect(waitMs.mean).toBeCloseTo(values.reduce((sum, value) => sum + value) / values.length);
    });
    fc.assert(property, { numRuns: 300 });
  });

  it('are exact below 32 ms', () => {
    const timings = new Timings();
    for (let value = 1; value <= 20; value += 1) timings.record(value, 0, 0);
    const { waitMs } = timings.percentiles(0);
    expect(waitMs).toEqual({ p50: 10, p95: 19, p99: 20, max: 20, mean: 10.5 });
  });

  it('separate waiting times and durations', () => {
    const timings = new Timings();
    timings.record(3, 7, 0);
    const { waitMs, durationMs } = timings.percentiles(0);
    expect([waitMs.max, durationMs.max]).toEqual([3, 7]);
  });

  it.each([
    [-1, 0],
    [Number.NaN, 0],
    [0.9, 0],
    [7.9, 7],
    [longest, longest],
    [2 ** 40, longest],
    [Number.POSITIVE_INFINITY, longest],
  ])('take %d as %d', (value, max) => {
    const timings = new Timings();
    timings.record(value, 0, 0);
    expect(timings.percentiles(0).waitMs).toEqual({ p50: max, p95: max, p99: max, max, mean: max });
  });
});

describe('the window of timings', () => {
  it('holds the current minute and the one before', () => {
    const timings = new Timings();
    timings.record(20, 0, 0);
    timings.record(10, 0, minute);
    expect(timings.percentiles(minute).waitMs).toMatchObject({ max: 20, mean: 15 });
    expect(timings.percentiles(2 * minute - 1).waitMs).toMatchObject({ max: 20, mean: 15 });
    timings.record(4, 0, 2 * minute);
    expect(timings.percentiles(2 * minute).waitMs).toMatchObject({ max: 10, mean: 7 });
    expect(timings.percentiles(3 * minute).waitMs).toMatchObject({ max: 4, mean: 4 });
    expect(timings.percentiles(4 * minute).waitMs).toEqual(nothing);
  });

  it('is empty after two minutes without a record or a question', () => {
    const timings = new Timings();
    timings.record(20, 20, 10);
    expect(timings.percentiles(2 * minute + 10)).toEqual({ waitMs: nothing, durationMs: nothing });
    timings.record(3, 4, 9 * minute);
    const { waitMs, durationMs } = timings.percentiles(9 * minute);
    expect([waitMs.max, waitMs.mean, durationMs.max, durationMs.mean]).toEqual([3, 3, 4, 4]);
  });

  it('holds nothing that is older than two minutes, whenever it was asked', () => {
    const timings = new Timings();
    timings.record(20, 0, 0);
    expect(timings.percentiles(2 * minute - 1).waitMs.max).toBe(20);
    expect(timings.percentiles(2 * minute + minute / 2).waitMs).toEqual(nothing);
  });

  it('holds all of the last minute and nothing older than two, even if it was read in between', () => {
    const use = fc.record({ afterMs: fc.nat(50_000), value: fc.nat(31), asks: fc.boolean() });
    const property = fc.property(fc.array(use, { maxLength: 60, size: 'max' }), (uses) => {
      const timings = new Timings();
      const recorded: { at: number; value: number }[] = [];
      let now = 0;
      for (const { afterMs, value, asks } of uses) {
        now += afterMs;
        if (!asks) {
          timings.record(value, 0, now);
          recorded.push({ at: now, value });
          continue;
        }
        const since = (ms: number): number[] =>
          recorded.filter(({ at }) => now - at < ms).map((each) => each.value);
        const { max } = timings.percentiles(now).waitMs;
        expect(max).toBeGreaterThanOrEqual(Math.max(0, ...since(minute)));
        expect(max).toBeLessThanOrEqual(Math.max(0, ...since(2 * minute + 1)));
      }
    });
    fc.assert(property, { numRuns: 200 });
  });
});
