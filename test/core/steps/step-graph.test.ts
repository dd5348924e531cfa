import { OrderError, OrderProcessor, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();
const order = { id: 'a', userId: 'u', amount: 1 };

/** Steps that take so long, log when they begin and end, and return their name in upper case. */
function graphOf(plan: Record<string, { ms?: number; after?: string | string[]; code?: string }>) {
  const log: string[] = [];
  const seen: Record<string, unknown> = {};
  const steps = Object.entries(plan).map(
    ([name, { ms, after, code }]): Step => ({
      name,
      after,
      async run(_, { results, signal }) {
        log.push(`${clock.now} begin ${name}`);
        seen[name] = results;
        if (ms !== undefined) await clock.sleep(ms, signal);
        log.push(`${clock.now} end ${name}`);
        if (code !== undefined) throw new OrderError(code, 'No');
        return name.toUpperCase();
      },
    }),
  );
  return { log, seen, steps };
}

describe('`after`', () => {
  it('invariant 3: a step begins when all it comes after have finished, and not before', async () => {
    const { log, steps } = graphOf({
      last: { ms: 1, after: ['slow', 'quick'] },
      quick: { ms: 5 },
      slow: { ms: 20 },
      chained: { ms: 2, after: 'quick' },
    });
    const processor = new OrderProcessor({ steps });
    const submitted = processor.submit(order);
    await clock.runAll();
    expect(log).toEqual([
      '0 begin quick',
      '0 begin slow',
      '5 end quick',
      '5 begin chained',
      '7 end chained',
      '20 end slow',
      '20 begin last',
      '21 end last',
    ]);
    const { steps: results, balance } = await submitted;
    expect(balance).toBe(1);
    expect(results.map(({ name, status, durationMs }) => [name, status, durationMs])).toEqual([
      ['last', 'ok', 1],
      ['quick', 'ok', 5],
      ['slow', 'ok', 20],
      ['chained', 'ok', 2],
    ]);
  });

  it('invariant 3: both arms of a diamond run side by side, and its end begins once', async () => {
    const { log, steps } = graphOf({
      top: { ms: 1 },
      left: { ms: 3, after: 'top' },
      right: { ms: 3, after: 'top' },
      bottom: { after: ['left', 'right', 'left'] },
    });
    const processor = new OrderProcessor({ steps });
    const submitted = processor.submit(order);
    await clock.runAll();
    await submitted;
    expect(log.slice(2)).toEqual([
      '1 begin left',
      '1 begin right',
      '4 end left',
      '4 end right',
      '4 begin bottom',
      '4 end bottom',
    ]);
  });

  it('invariant 3: holds for steps that return at once, declared in any order', async () => {
    const began: string[] = [];
    const step = (name: string, after: string[]): Step => ({
      name,
      after,
      run: () => void began.push(name),
    });
    const steps = [step('d', ['c', 'a']), step('b', ['a']), step('c', ['b']), step('a', [])];
    const processor = new OrderProcessor({ steps });
    await processor.submit(order);
    expect(began).toEqual(['a', 'b', 'c', 'd']);
  });

  it('invariant 3: a step sees the results of all it comes after, and of no other', async () => {
    const { seen, steps } = graphOf({
      first: { ms: 1 },
      other: { ms: 1 },
      second: { ms: 1, after: 'first' },
      third: { ms: 1, after: 'second' },
      joint: { after: ['third', 'other'] },
    });
    const processor = new OrderProcessor({ steps });
    const submitted = processor.submit(order);
    await clock.runAll();
    await submitted;
    expect(seen).toEqual({
      first: {},
      other: {},
      second: { first: 'FIRST' },
      third: { first: 'FIRST', second: 'SECOND' },
      joint: { first: 'FIRST', second: 'SECOND', third: 'THIRD', other: 'OTHER' },
    });
  });

  it('invariant 8: results are frozen, and safe under any name', async () => {
    const steps: Step[] = [
      { name: '__proto__', run: () => 'polluted' },
      { name: 'constructor', run: () => 'made' },
      {
        name: 'looks',
        after: ['__proto__', 'constructor'],
        run(_, { results }) {
          expect(Object.entries(results)).toEqual([
            ['__proto__', 'polluted'],
            ['constructor', 'made'],
          ]);
          expect(Object.isFrozen(results)).toBe(true);
          expect(results.toString).toBeUndefined();
        },
      },
    ];
    const processor = new OrderProcessor({ steps });
    expect((await processor.submit(order)).steps).toMatchObject([
      { name: '__proto__', status: 'ok' },
      { name: 'constructor', status: 'ok' },
      { name: 'looks', status: 'ok' },
    ]);
  });

  it('invariant 3: what comes after a step that fails is skipped, with no attempt', async () => {
    const { log, steps } = graphOf({
      third: { after: 'second' },
      second: { after: 'fails' },
      fails: { ms: 5, code: 'declined' },
      done: { ms: 1 },
      beside: { ms: 9 },
      later: { after: 'beside' },
    });
    const processor = new OrderProcessor({ steps });
    const stepped: string[] = [];
    processor.on('stepped', ({ step }) => stepped.push(`${step.name} ${step.status}`));
    const failed = errorOf(processor.submit(order));
    await clock.runAll();
    const error = await failed;
    expect(error.code).toBe('declined');
    expect((await processor.order('a'))?.steps).toEqual([
      { name: 'third', status: 'skipped', durationMs: 0, attempts: 0 },
      { name: 'second', status: 'skipped', durationMs: 0, attempts: 0 },
      { name: 'fails', status: 'error', durationMs: 5, attempts: 1, code: 'declined' },
      { name: 'done', status: 'ok', durationMs: 1, attempts: 1 },
      { name: 'beside', status: 'canceled', durationMs: 5, attempts: 1 },
      { name: 'later', status: 'skipped', durationMs: 0, attempts: 0 },
    ]);
    expect(stepped).toEqual(['done ok', 'fails error', 'beside canceled']);
    expect(log.filter((line) => line.includes('begin'))).toHaveLength(3);
  });

  it('invariant 3: nothing begins any more after a listener of `stepped` has canceled', async () => {
    const began: string[] = [];
    const steps: Step[] = [
      { name: 'first', run: () => void began.push('first') },
      { name: 'second', after: 'first', run: () => void began.push('second') },
    ];
    const processor = new OrderProcessor({ steps });
    processor.on('stepped', ({ orderId }) => processor.cancel(orderId));
    const failed = await errorOf(processor.submit(order));
    expect(failed).toMatchObject({ code: 'canceled', steps: [{ status: 'ok' }, {}] });
    expect(began).toEqual(['first']);
    expect((await processor.order('a'))?.steps.map(({ status }) => status)).toEqual([
      'ok',
      'skipped',
    ]);
  });

  it('invariant 3: a step begins once, though what is started just before it starts it too', async () => {
    const began: string[] = [];
    const step = (name: string, ...after: string[]): Step => ({
      name,
      after,
      run: () => void began.push(name),
    });
    // Or else all would be done before the second time.
    const slow: Step = { name: 'slow', run: () => clock.sleep(5) };
    const steps = [step('a'), step('b', 'a'), step('c', 'a', 'b'), slow];
    const processor = new OrderProcessor({ steps });
    const submitted = processor.submit(order);
    await clock.runAll();
    await submitted;
    expect(began).toEqual(['a', 'b', 'c']);
  });
});

/** Steps of these names, each after those. */
function make(after: Record<string, unknown>): OrderProcessor {
  const steps = Object.entries(after).map(([name, before]) => ({
    name,
    after: before as string,
    run: () => {},
  }));
  return new OrderProcessor({ steps });
}

describe('a graph that cannot be', () => {
  it.each([
    ['a step after itself', { a: 'a' }, 'a → a'],
    ['two after each other', { a: 'b', b: 'a' }, 'a → b → a'],
    ['a longer cycle, in the order of the steps', { a: 'c', b: 'a', c: 'b' }, 'a → b → c → a'],
    [
      'a cycle beside what is sound',
      { start: [], x: ['start', 'z'], y: ['x'], z: ['start', 'y'], end: ['z'] },
      'x → y → z → x',
    ],
    ['a cycle behind another step', { outside: 'p', p: 'q', q: 'p' }, 'p → q → p'],
  ])('is refused and named: %s', (_, after, cycle) => {
    expect(() => make(after)).toThrow(
      new RangeError(`Expected \`steps\` to have no cycle, got \`${cycle}\``),
    );
  });

  it('is refused for an unknown name', () => {
    expect(() => make({ a: [], b: ['a', 'nobody'] })).toThrow(
      new RangeError('Expected `steps[1].after` to be names of other steps, got `"nobody"`'),
    );
    expect(() => make({ a: 'toString' })).toThrow(RangeError);
  });

  it.each([
    ['a number', 7, 'a name or an array of names, got `7`'],
    ['null', null, 'a name or an array of names, got `null`'],
    ['a set', new Set(['a']), "a name or an array of names, got `Set(1) { 'a' }`"],
    ['an array of numbers', ['a', 1], 'names of other steps, got `1`'],
    ['an array with holes', new Array(1), 'names of other steps, got `undefined`'],
  ])('is refused for %s', (_, after, message) => {
    expect(() => make({ a: [], b: after })).toThrow(
      new TypeError(`Expected \`steps[1].after\` to be ${message}`),
    );
  });

  it('is refused for two steps of one name', () => {
    const steps = ['pay', 'ship', 'pay'].map((name): Step => ({ name, run: () => {} }));
    expect(() => new OrderProcessor({ steps })).toThrow(
      new RangeError('Expected `steps[2].name` to be unlike the other names, got `"pay"`'),
    );
  });

  it('changes nothing when the caller changes the steps afterwards', async () => {
    const began: string[] = [];
    const after = ['a'];
    const steps: Step[] = [
      { name: 'b', after, run: () => void began.push('b') },
      { name: 'a', run: () => void began.push('a') },
    ];
    const processor = new OrderProcessor({ steps });
    after.pop();
    steps.length = 0;
    await processor.submit(order);
    expect(began).toEqual(['a', 'b']);
  });
});
