import { OrderProcessor, type ProgressedStep, type Step, type StepContext } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { expectThrows } from '../../kit/bad-values.ts';
import { codeOf, deferred } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

function progressOf(steps: readonly Step[]) {
  const processor = new OrderProcessor({ steps });
  const said: ProgressedStep[] = [];
  processor.on('progress', (progress) => said.push(progress));
  return { processor, said };
}

describe('`context.progress`', () => {
  it('invariant 11: is raised, and stands in the record while the order is processed', async () => {
    const records: unknown[] = [];
    const { processor, said } = progressOf([
      {
        name: 'cook',
        async run(_, context) {
          records.push((await processor.order('a'))?.progress);
          context.progress(0.4, 'chopping');
          records.push((await processor.order('a'))?.progress);
          context.progress(1);
          records.push((await processor.order('a'))?.progress);
        },
      },
    ]);
    const receipt = processor.submit(order);
    await clock.runAll();
    await receipt;
    const facts = { orderId: 'a', userId: 'u', labels: [], step: 'cook', isCompensation: false };
    expect(said).toEqual([
      { ...facts, fraction: 0.4, label: 'chopping' },
      { ...facts, fraction: 1, label: undefined },
    ]);
    const shown = { step: 'cook', isCompensation: false };
    expect(records).toEqual([
      undefined,
      { ...shown, fraction: 0.4, label: 'chopping' },
      { ...shown, fraction: 1, label: undefined },
    ]);
    expect((await processor.order('a'))?.progress).toBeUndefined();
  });

  it('invariant 11: is said by a compensation as one', async () => {
    const { processor, said } = progressOf([
      { name: 'pay', run() {}, compensate: (_, context) => context.progress(0.5, 'refunding') },
      { name: 'fails', after: 'pay', run: () => Promise.reject({ code: 'closed' }) },
    ]);
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('closed');
    expect(said).toMatchObject([{ step: 'pay', isCompensation: true, label: 'refunding' }]);
  });

  it('invariant 3: an attempt that has ended or was aborted reports no more progress', async () => {
    const contexts: StepContext[] = [];
    const gate = deferred();
    const { processor, said } = progressOf([
      {
        name: 'work',
        retry: { attempts: 2, delayMs: 5, jitter: false },
        async run(_, context) {
          contexts.push(context);
          if (context.attempt === 1) throw new Error('Once');
          context.progress(0.1);
          await gate.promise;
        },
      },
    ]);
    const code = codeOf(processor.submit(order));
    await clock.advance(1);
    contexts[0]?.progress(0.5);
    await clock.advance(10);
    contexts[0]?.progress(0.6);
    void processor.cancel('a');
    contexts[1]?.progress(0.7);
    gate.resolve();
    await clock.runAll();
    expect(await code).toBe('canceled');
    contexts[1]?.progress(0.8);
    expect(said.map(({ fraction }) => fraction)).toEqual([0.1]);
  });

  it('invariant 8: a wrong one throws in the step, which fails unless it catches that', async () => {
    const { processor, said } = progressOf([
      {
        name: 'work',
        run(_, context) {
          const numbers = 'Expected `fraction` to be a number from 0 to 1, got';
          for (const [value, kind, shown] of [
            [-0.1, RangeError, '-0.1'],
            [1.1, RangeError, '1.1'],
            [Number.NaN, RangeError, 'NaN'],
            [Infinity, RangeError, 'Infinity'],
            ['1', TypeError, '"1"'],
            [undefined, TypeError, 'undefined'],
          ] as const) {
            const call = (): void => context.progress(value as never);
            expectThrows(call, kind, `${numbers} \`${shown}\``);
          }
          expect(() => context.progress(0, 5 as never)).toThrow(TypeError);
          expect(() => context.progress(0, 'x'.repeat(257))).toThrow(RangeError);
          context.progress(0, 'x'.repeat(256));
          context.progress(2);
        },
      },
    ]);
    const code = codeOf(processor.submit(order));
    await clock.runAll();
    expect(await code).toBe('internal');
    expect(said).toHaveLength(1);
  });
});
