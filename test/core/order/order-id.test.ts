import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { range } from '../../kit/helpers.ts';

/** RFC 9562: version 7, variant 10. */
const form = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

const noon = Date.UTC(2026, 0, 1, 12);

let nextOrderId: () => string;

beforeEach(async () => {
  // The module remembers its last id; each test begins with none.
  vi.resetModules();
  ({ nextOrderId } = await import('../../../src/core/runtime/uuid-v7.ts'));
});

afterEach(() => {
  vi.useRealTimers();
});

function setTime(at: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: at });
}

function msOf(id: string): number {
  return Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);
}

function counterOf(id: string): number {
  return Number.parseInt(id.slice(15, 18), 16);
}

function expectIncreasing(ids: readonly string[]): void {
  const disorder = ids.findIndex((id, at) => at > 0 && id <= (ids[at - 1] as string));
  expect(disorder, `${ids[disorder]} after ${ids[disorder - 1]}`).toBe(-1);
}

describe('a generated order id', () => {
  it('is a UUID of version 7, greater than the one before, 100 000 times in a row', () => {
    const ids = range(100_000).map(() => nextOrderId());
    expect(ids.filter((id) => !form.test(id))).toEqual([]);
    expect(new Set(ids).size).toBe(ids.length);
    expectIncreasing(ids);
  });

  it('has the Unix milliseconds in front', () => {
    setTime(noon);
    expect(msOf(nextOrderId())).toBe(noon);
    setTime(noon + 1);
    expect(msOf(nextOrderId())).toBe(noon + 1);
  });

  it('counts within a millisecond, from 0 in each', () => {
    setTime(noon);
    expect(range(3).map(() => counterOf(nextOrderId()))).toEqual([0, 1, 2]);
    setTime(noon + 1);
    expect(counterOf(nextOrderId())).toBe(0);
  });

  it('runs ahead by a millisecond each time the counter is used up', () => {
    setTime(noon);
    const ids = range(2 * 4_096 + 1).map(() => nextOrderId());
    expectIncreasing(ids);
    expect(ids.filter((id) => !form.test(id))).toEqual([]);
    const last = [4_095, 4_096, 8_191, 8_192].map((at) => ids[at] as string);
    expect(last.map((id) => msOf(id) - noon)).toEqual([0, 1, 1, 2]);
    expect(last.map(counterOf)).toEqual([4_095, 0, 4_095, 0]);
  });

  it('is greater than the one before when the clock is set back or has not caught up', () => {
    setTime(noon);
    const ids = range(4_097).map(() => nextOrderId());
    for (const offMs of [0, 1, -1, -3_600_000, 1, 2]) {
      setTime(noon + offMs);
      ids.push(nextOrderId(), nextOrderId());
    }
    expectIncreasing(ids);
    expect(msOf(ids.at(-1) as string)).toBe(noon + 2);
  });

  it('has its form at the ends of the time range', () => {
    setTime(1);
    expect(nextOrderId()).toMatch(/^00000000-0001-7000-/);
    setTime(Date.UTC(9999, 11, 31));
    expect(nextOrderId()).toMatch(form);
  });

  it("has new random bits in each millisecond, unlike another process's", async () => {
    setTime(noon);
    const first = nextOrderId();
    setTime(noon + 1);
    const second = nextOrderId();
    vi.resetModules();
    const other = await import('../../../src/core/runtime/uuid-v7.ts');
    const elsewhere = other.nextOrderId();
    expect(elsewhere.slice(0, 18)).toBe(second.slice(0, 18));
    expect(new Set([first, second, elsewhere].map((id) => id.slice(18))).size).toBe(3);
  });
});
