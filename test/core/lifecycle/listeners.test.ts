import { type EventName, MemoryStorage, OrderProcessor, type Step } from 'order-processor';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { observing } from '../../../src/core/lifecycle/listeners/observing.ts';
import { collect } from '../../kit/collect.ts';
import { codeOf, range, thenable } from '../../kit/helpers.ts';

const unhandled: unknown[] = [];
const hear = (reason: unknown): void => void unhandled.push(reason);
const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => {});
beforeEach(() => {
  warn.mockClear();
  process.on('unhandledRejection', hear);
});
afterEach(async () => {
  await new Promise((resolve) => setTimeout(resolve, 5));
  process.off('unhandledRejection', hear);
  expect(unhandled.splice(0)).toEqual([]);
});

const names: EventName[] = [
  'accepted',
  'refused',
  'started',
  'stepped',
  'completed',
  'failed',
  'canceled',
  'stalled',
  'idle',
  'shutdown',
  'error',
];

const thrower = (): never => {
  throw new Error('A listener threw');
};
const rejecter = (): Promise<never> => Promise.reject(new Error('A listener rejected'));
const liar = (): unknown => thenable(thrower);
const hostile = [
  thrower,
  rejecter,
  liar,
  () => Object.defineProperty({}, 'then', { get: thrower }),
];

/** Something of everything: completed, failed, canceled, refused, stalled, shut down. */
async function mix(processor: OrderProcessor): Promise<string[]> {
  const submitted = range(6).map((index) =>
    processor.submit({ id: `o-${index}`, userId: `u-${index % 2}`, amount: index }),
  );
  void processor.cancel('o-5');
  submitted.push(processor.submit({ userId: '', amount: 1 }));
  const codes = await Promise.all(submitted.map(codeOf));
  await processor.onIdle();
  await processor.shutdown();
  return codes;
}

const step: Step = {
  name: 'work',
  async run({ id }) {
    await new Promise((resolve) => setTimeout(resolve, 3));
    if (id === 'o-1') throw { code: 'declined' };
  },
};
const expected = [
  'completed',
  'declined',
  'completed',
  'completed',
  'completed',
  'canceled',
  'invalid_order',
];

describe.each([...hostile.entries()])('listener %i', (_, listener) => {
  it.each(names)('invariant 8: of `%s` that throws or rejects breaks nothing', async (name) => {
    const processor = new OrderProcessor({ steps: [step], stalledAfterMs: 1 });
    processor.on('stalled', () => {});
    processor.on(name, listener);
    const heard = vi.fn();
    processor.on(name, heard);
    expect(await mix(processor)).toEqual(expected);
    expect(await processor.balance('u-0')).toBe(6);
    expect(await processor.balance('u-1')).toBe(3);
    // A listener that throws keeps nothing from those after it.
    if (name !== 'error') expect(heard).toHaveBeenCalled();
  });

  it('invariant 8: of everything at once, `error` too', async () => {
    const processor = new OrderProcessor({ steps: [step] });
    for (const name of names) processor.on(name, listener);
    expect(await mix(processor)).toEqual(expected);
    expect(processor.stats()).toMatchObject({ accepted: 6, completed: 4, failed: 1, canceled: 1 });
  });
});

it('invariant 8: what a listener throws comes as an `error` event with its cause', async () => {
  const processor = new OrderProcessor();
  const errors: unknown[] = [];
  processor.on('completed', thrower).on('completed', rejecter);
  processor.on('error', ({ code, cause }) => errors.push([code, (cause as Error).message]));
  await processor.submit({ userId: 'u', amount: 1 });
  await new Promise((resolve) => setImmediate(resolve));
  expect(errors).toEqual([
    ['internal', 'A listener threw'],
    ['internal', 'A listener rejected'],
  ]);
  expect(warn).not.toHaveBeenCalled();
});

it('invariant 8: without an `error` listener it is a warning, once', async () => {
  const processor = new OrderProcessor();
  processor.on('completed', thrower);
  for (const _ of range(3)) await processor.submit({ userId: 'u', amount: 1 });
  expect(warn).toHaveBeenCalledTimes(1);
});

it('invariant 8: `once` and `off` do what they say, also inside a listener', async () => {
  const processor = new OrderProcessor();
  const log: string[] = [];
  const always = (): void => {
    log.push('always');
    if (log.length > 4) processor.off('completed', always);
  };
  processor.on('completed', always);
  processor.once('completed', () => log.push('once'));
  const never = vi.fn();
  processor.on('completed', never).off('completed', never);
  for (const _ of range(6)) await processor.submit({ userId: 'u', amount: 1 });
  expect(log).toEqual(['always', 'once', 'always', 'always', 'always']);
  expect(never).not.toHaveBeenCalled();
});

it('`off` removes one of the listeners that it was given, the last, and leaves the others', async () => {
  const processor = new OrderProcessor();
  const log: number[] = [];
  const listener = ({ amount }: { amount: number }): void => void log.push(amount);
  const submit = (amount: number) => processor.submit({ userId: 'u', amount });
  processor.on('completed', listener).on('completed', listener).off('completed', listener);
  await submit(1);
  processor.once('completed', listener);
  await submit(2);
  processor.once('completed', listener).off('completed', listener);
  await submit(3);
  processor.off('failed', listener as never);
  await submit(4);
  processor.off('completed', listener).off('completed', listener);
  await submit(5);
  expect(log).toEqual([1, 2, 2, 3, 4]);
});

it('`off` gives back what `on` has kept of a listener', async () => {
  const processor = new OrderProcessor();
  const gone: WeakRef<() => void>[] = [];
  for (const _ of range(10)) {
    let listener: (() => void) | undefined = () => {};
    gone.push(new WeakRef(listener));
    processor.on('completed', listener).off('completed', listener);
    processor.once('completed', listener);
    listener = undefined;
    await processor.submit({ userId: 'u', amount: 1 });
  }
  await new Promise((resolve) => setTimeout(resolve));
  collect();
  expect(gone.map((ref) => ref.deref())).toEqual(range(10).map(() => undefined));
});

it.each(['on', 'once', 'off'] as const)('`%s` refuses an event that there is none of', (how) => {
  const processor = new OrderProcessor();
  expect(() => processor[how]('complete' as never, () => {})).toThrow(
    /^Expected `event` to be one of .*, got `"complete"`$/,
  );
});

it('invariant 3: a listener that submits from each event changes no order of one user', async () => {
  const processor = new OrderProcessor();
  const settled: number[] = [];
  let more = 20;
  processor.on('completed', ({ balance }) => {
    settled.push(balance);
    if (more-- > 0) void processor.submit({ userId: 'u', amount: 1 });
  });
  await processor.submitMany(range(20).map(() => ({ userId: 'u', amount: 1 })));
  await processor.onIdle();
  expect(settled).toEqual(range(40).map((index) => index + 1));
});

it('invariant 8: a listener that writes over a receipt fails no order', async () => {
  for (const steps of [[], [{ name: 'waits', run: async () => {} }]]) {
    const processor = new OrderProcessor({ steps });
    processor.on('completed', (receipt) => {
      (receipt as { status: string }).status = 'archived';
    });
    const options = { signal: new AbortController().signal };
    await processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await processor.submit({ id: 'b', userId: 'u', amount: 1 }, options);
    expect(await processor.order('b')).toMatchObject({ status: 'completed', balance: 2 });
  }
});

it('invariant 8: a listener that changes its receipt does not change how its caller ends', async () => {
  const processor = new OrderProcessor({ storage: new MemoryStorage() });
  processor.on('completed', (receipt) => {
    (receipt as { status: string }).status = 'hacked';
  });
  processor.pause();
  const submitted = processor.submit({ userId: 'u', amount: 1 });
  processor.resume();
  await expect(submitted).resolves.toMatchObject({ balance: 1 });
});

it('calls a listener that listens once more from inside itself, and then no more', async () => {
  const processor = new OrderProcessor();
  const log: string[] = [];
  processor.once('completed', () => {
    log.push('first');
    processor.once('completed', () => log.push('second'));
  });
  processor.on('completed', () => log.push('always'));
  for (const userId of ['a', 'b', 'c']) await processor.submit({ userId, amount: 1 });
  expect(log.toSorted()).toEqual(['always', 'always', 'always', 'first', 'second']);
});

it('invariant 11: an observer hears of a failed compensation, and the host without a listener is still warned', async () => {
  const heard: string[] = [];
  const processor = new OrderProcessor({
    steps: [
      { name: 'pay', run: () => {}, compensate: () => Promise.reject(new Error('no')) },
      { name: 'ship', after: 'pay', run: () => Promise.reject(new Error('no')) },
    ],
  });
  processor.on(
    'error',
    observing(({ code }) => heard.push(code)),
  );
  await codeOf(processor.submit({ userId: 'u', amount: 1 }));
  expect(heard).toEqual(['compensation_failed']);
  expect(warn).toHaveBeenCalledOnce();
  processor.on('error', ({ code }) => heard.push(`host ${code}`));
  await codeOf(processor.submit({ userId: 'u', amount: 1 }));
  expect(heard.slice(1)).toEqual(['compensation_failed', 'host compensation_failed']);
  expect(warn).toHaveBeenCalledOnce();
  await processor.shutdown();
});
