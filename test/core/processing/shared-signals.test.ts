import { getEventListeners } from 'node:events';
import { OrderProcessor } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, range } from '../../kit/helpers.ts';

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

describe('orders that share a signal', () => {
  it('invariant 6: have one listener on it, and none once they are settled', async () => {
    await using processor = new OrderProcessor();
    const controller = new AbortController();
    const { signal } = controller;
    processor.pause();
    const receipts = range(500).map((at) =>
      processor.submit({ userId: `u-${at % 7}`, amount: 1 }, { signal }),
    );
    expect(listenersOf(signal)).toBe(1);
    processor.resume();
    await Promise.all(receipts);
    expect(listenersOf(signal)).toBe(0);
    controller.abort();
    expect(processor.stats()).toMatchObject({ completed: 500, canceled: 0, refused: 0 });
  });

  it('are all canceled by it, the waiting callers too', async () => {
    await using processor = new OrderProcessor({ capacity: 10, overflow: 'wait' });
    const controller = new AbortController();
    processor.pause();
    const codes = range(20).map((at) =>
      codeOf(processor.submit({ userId: `u-${at}`, amount: 1 }, { signal: controller.signal })),
    );
    expect(processor.stats()).toMatchObject({ unsettled: 10, waitingCallers: 10 });
    controller.abort();
    // Those which got room because of the abort are canceled as well.
    expect(processor.stats()).toMatchObject({ unsettled: 0, waitingCallers: 0 });
    processor.resume();
    expect(new Set(await Promise.all(codes))).toEqual(new Set(['canceled']));
    expect(processor.stats().completed).toBe(0);
  });
});
