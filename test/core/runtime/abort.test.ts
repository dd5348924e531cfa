import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { isAbortSignal, onAbort } from '../../../src/core/runtime/abort.ts';
import { range } from '../../kit/helpers.ts';

function listenersOf(signal: AbortSignal): number {
  return getEventListeners(signal, 'abort').length;
}

describe('onAbort', () => {
  it('invariant 6: puts one listener on a signal however many share it, and none when they have ended', () => {
    const { signal } = new AbortController();
    const takeBacks = range(1_000).map(() => onAbort(signal, () => {}));
    expect(listenersOf(signal)).toBe(1);
    for (const takeBack of takeBacks) takeBack();
    expect(listenersOf(signal)).toBe(0);
    for (const takeBack of takeBacks) takeBack();
    onAbort(signal, () => {});
    takeBacks[0]?.();
    expect(listenersOf(signal)).toBe(1);
  });

  it('invariant 8: does not mind a signal of the host that throws when its listener is removed', () => {
    const { signal } = new AbortController();
    signal.removeEventListener = () => {
      throw new Error('No');
    };
    expect(onAbort(signal, () => {})).not.toThrow();
  });

  it('calls back each once, in the order they came, when the signal aborts', () => {
    const controller = new AbortController();
    const log: number[] = [];
    for (const at of range(5)) onAbort(controller.signal, () => log.push(at));
    expect(log).toEqual([]);
    controller.abort();
    controller.abort();
    controller.signal.dispatchEvent(new Event('abort'));
    expect(log).toEqual([0, 1, 2, 3, 4]);
    expect(listenersOf(controller.signal)).toBe(0);
  });

  it('does not call back a callback that was removed', () => {
    const controller = new AbortController();
    const log: string[] = [];
    onAbort(controller.signal, () => log.push('first'));
    const takeBack = onAbort(controller.signal, () => log.push('second'));
    onAbort(controller.signal, () => log.push('third'));
    takeBack();
    takeBack();
    controller.abort();
    expect(log).toEqual(['first', 'third']);
    takeBack();
  });

  it('keeps the same callback as often as it was given', () => {
    const controller = new AbortController();
    let calls = 0;
    const callback = (): void => {
      calls += 1;
    };
    const takeBack = onAbort(controller.signal, callback);
    onAbort(controller.signal, callback);
    onAbort(controller.signal, callback);
    takeBack();
    controller.abort();
    expect(calls).toBe(2);
  });

  it('does not mix up signals', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const log: string[] = [];
    onAbort(one.signal, () => log.push('one'));
    onAbort(other.signal, () => log.push('other'));
    other.abort();
    expect(log).toEqual(['other']);
  });

  it('does not call back a callback that is removed while the others are called', () => {
    const controller = new AbortController();
    const log: string[] = [];
    onAbort(controller.signal, () => {
      log.push('first');
      takeBack();
    });
    const takeBack = onAbort(controller.signal, () => log.push('second'));
    onAbort(controller.signal, () => log.push('third'));
    controller.abort();
    expect(log).toEqual(['first', 'third']);
  });

  it('takes callbacks for another signal while it calls', () => {
    const [one, other] = [new AbortController(), new AbortController()];
    const log: string[] = [];
    onAbort(one.signal, () => {
      onAbort(other.signal, () => log.push('added'));
      log.push('called');
    });
    onAbort(one.signal, () => {
      other.abort();
      log.push('called last');
    });
    one.abort();
    expect(log).toEqual(['called', 'added', 'called last']);
  });
});

describe('isAbortSignal', () => {
  it('knows a signal, of another realm too', () => {
    expect(isAbortSignal(new AbortController().signal)).toBe(true);
    expect(isAbortSignal(AbortSignal.abort())).toBe(true);
    const foreign = { aborted: false, addEventListener: () => {}, removeEventListener: () => {} };
    expect(isAbortSignal(foreign)).toBe(true);
  });

  it.each([undefined, null, 5, 'signal', {}, { aborted: false }, new AbortController()])(
    'knows that %o is none',
    (value) => {
      expect(isAbortSignal(value)).toBe(false);
    },
  );
});
