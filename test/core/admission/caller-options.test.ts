import {
  type EnqueueOptions,
  OrderProcessor,
  type Step,
  type SubmitOptions,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { deferred, errorOf } from '../../kit/helpers.ts';
import { order } from '../../kit/schemas.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

const step: Step = { name: 'payment', run: () => {} };

function revoked(): SubmitOptions {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}

describe('the options of submit', () => {
  it.each<[string, unknown, RegExp]>([
    ['null', null, /^Expected `submit options` to be an object, got `null`$/],
    ['a signal itself', 5, /^Expected `submit options` to be an object, got `5`$/],
    ['unknown', { timeoutMs: 5 }, /^Expected the options of submit .* signal, got `timeoutMs`$/],
    ['a number', { signal: 5 }, /^Expected `signal` to be an AbortSignal, got `5`$/],
    ['null as signal', { signal: null }, /^Expected `signal` to be an AbortSignal, got `null`$/],
    ['a controller', { signal: new AbortController() }, /^Expected `signal` to be .*, got `/],
  ])('refuse the order with `invalid_order` when bad: %s', async (_, options, message) => {
    await using processor = new OrderProcessor();
    const error = await errorOf(processor.submit({ userId: 'u', amount: 1 }, options as never));
    expect(error.code).toBe('invalid_order');
    expect(error.cause).toBeInstanceOf(TypeError);
    expect(error.message).toMatch(message);
    expect(processor.stats()).toMatchObject({ refused: 1, accepted: 0 });
    expect(await processor.balance('u')).toBeUndefined();
  });

  it.each<[string, object]>([
    ['that throw null', { get signal() { throw null; } }], // biome-ignore format: short
    ['that throw', { get signal() { throw new Error('no'); } }], // biome-ignore format: short
    ['whose signal throws', { signal: { get aborted() { throw null; } } }], // biome-ignore format: short
    ['revoked', revoked()],
  ])('invariant 8: refuse the order, %s', async (_, options) => {
    await using processor = new OrderProcessor();
    const error = await errorOf(processor.submit({ userId: 'u', amount: 1 }, options));
    expect(error.code).toBe('invalid_order');
    expect(processor.stats()).toMatchObject({ refused: 1, accepted: 0, unsettled: 0 });
  });

  it('invariants 3 and 8: a signal that cannot be listened to refuses the order', async () => {
    await using processor = new OrderProcessor({ steps: [step] });
    const addEventListener = (): void => {
      throw new Error('no');
    };
    const signal = { aborted: false, addEventListener } as never;
    const error = await errorOf(processor.submit({ userId: 'u', amount: 1 }, { signal }));
    expect(error.code).toBe('invalid_order');
    await processor.onIdle();
    expect(await processor.balance('u')).toBeUndefined();
  });

  it('may be empty', async () => {
    await using processor = new OrderProcessor();
    for (const options of [{}, { signal: undefined }]) {
      await processor.submit({ userId: 'u', amount: 1 }, options);
    }
    expect(await processor.balance('u')).toBe(2);
  });
});

describe('the options of `enqueue`', () => {
  it.each<[string, unknown, RegExp]>([
    ['null', null, /^Expected `enqueue options` to be an object, got `null`$/],
    ['unknown', { timeoutMs: 5 }, /^Expected the options of enqueue .* signal, got `timeoutMs`$/],
    ['a number', { signal: 5 }, /^Expected `signal` to be an AbortSignal, got `5`$/],
    ['a controller', { signal: new AbortController() }, /^Expected `signal` to be .*, got `/],
    ['that throw', { get signal() { throw null; } }, /^Reading the options threw$/], // biome-ignore format: short
  ])('refuse the order with `invalid_order` when bad: %s', async (_, options, message) => {
    const processor = new OrderProcessor();
    const error = await errorOf(processor.enqueue(order('a'), options as EnqueueOptions));
    expect(error.code).toBe('invalid_order');
    expect(error.message).toMatch(message);
    expect(processor.stats()).toMatchObject({ refused: 1, accepted: 0 });
  });

  it('may be empty', async () => {
    const gate = deferred();
    const processor = new OrderProcessor({ steps: [{ name: 'work', run: () => gate.promise }] });
    for (const options of [{}, { signal: undefined }, undefined]) {
      await processor.enqueue({ userId: 'u', amount: 1 }, options);
    }
    expect(processor.stats().accepted).toBe(3);
    gate.resolve();
    await clock.runAll();
  });
});

it('refuses a signal in the place of the options, where it would be ignored', async () => {
  const processor = new OrderProcessor();
  const { signal } = new AbortController();
  const order = { id: 'a', userId: 'u', amount: 1 };
  const message = expect.stringMatching(/^Expected `.* options` to be `{ signal }`, got `AbortSig/);
  await expect(processor.submit(order, signal as never)).rejects.toMatchObject({ message });
  await expect(processor.enqueue(order, signal as never)).rejects.toMatchObject({ message });
  await expect(processor.outcome('a', signal as never)).rejects.toMatchObject({ message });
  expect(processor.stats().accepted).toBe(0);
});
