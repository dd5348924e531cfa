import { inOrder, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { expectThrows } from '../../kit/bad-values.ts';

const named = (log: string[], name: string, rest: Partial<Step> = {}): Step => ({
  name,
  run: () => Promise.resolve().then(() => void log.push(name)),
  ...rest,
});

describe('`inOrder`', () => {
  it('invariant 3: each step begins when the one before has finished', async () => {
    const log: string[] = [];
    const steps = inOrder(named(log, 'one'), named(log, 'two'), named(log, 'three'));
    await using processor = new OrderProcessor({ steps });
    const receipt = await processor.submit({ userId: 'u', amount: 1 });
    expect(log).toEqual(['one', 'two', 'three']);
    expect(receipt.steps.map(({ name }) => name)).toEqual(['one', 'two', 'three']);
  });

  it('keeps what a step comes after anyway, and leaves the steps as they are', () => {
    const steps = [
      named([], 'a', { after: 'z' }),
      named([], 'b', { after: ['y', 'z'] }),
      named([], 'c'),
    ];
    expect(inOrder(...steps).map(({ after }) => after)).toEqual(['z', ['y', 'z', 'a'], ['b']]);
    expect(steps.map(({ after }) => after)).toEqual(['z', ['y', 'z'], undefined]);
    expect(inOrder()).toEqual([]);
  });

  it('takes instances of classes, with their private fields', async () => {
    const log: string[] = [];
    class Paid implements Step<unknown, string> {
      readonly name: string;
      readonly unknownToSteps = true;
      readonly #key: string;
      constructor(name: string) {
        this.name = name;
        this.#key = `key of ${name}`;
      }
      run(): string {
        log.push(this.#key);
        return this.#key;
      }
      when(): boolean {
        return this.#key !== '';
      }
      compensate(): void {
        log.push(`undo ${this.#key}`);
      }
    }
    await using processor = new OrderProcessor({
      steps: [
        ...inOrder(new Paid('a'), new Paid('b')),
        { name: 'c', after: 'b', run: () => Promise.reject({ code: 'closed' }) },
      ],
    });
    await processor.submit({ userId: 'u', amount: 1 }).catch(() => {});
    expect(log).toEqual(['key of a', 'key of b', 'undo key of b', 'undo key of a']);
  });

  it('refuses what is no step, and the processor what is no `after`', () => {
    const bad = [null, 5, {}, { name: 'a' }, Promise.resolve()];
    for (const step of bad) expect(() => inOrder(step as never)).toThrow(TypeError);
    const odd = named([], 'a', { after: 5 as never });
    const steps = inOrder(named([], 'b'), odd);
    const message = 'Expected `steps[1].after` to be a name or an array of names, got `5`';
    expectThrows(() => new OrderProcessor({ steps }), TypeError, message);
    const misspelt = inOrder(named([], 'b'), { ...named([], 'a'), timeout: 5 } as Step);
    expect(() => new OrderProcessor({ steps: misspelt })).toThrow('`timeout`');
  });
});
