import {
  type AcceptedOrder,
  maxAmount,
  type OrderError,
  OrderProcessor,
  type Priority,
  prioritize,
  type Rule,
  refuse,
  urgentAbove,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { expectThrows } from '../../kit/bad-values.ts';
import { codeOf, errorOf, logOf } from '../../kit/helpers.ts';
import { useVirtualClock } from '../../kit/virtual-clock.ts';

const clock = useVirtualClock();

describe('a rule', () => {
  it('invariant 3: refuses an order before it is accepted, and nothing of it is kept', async () => {
    const ran: string[] = [];
    const processor = new OrderProcessor({
      rules: [({ amount }) => amount > 5 && refuse('too_large', 'At most 5')],
      steps: [{ name: 'work', run: ({ id }) => ran.push(id) }],
    });
    const log = logOf(processor);
    const error = await errorOf(processor.submit({ id: 'a', userId: 'u', amount: 6 }));
    expect(error).toMatchObject({
      code: 'too_large',
      message: 'At most 5',
      orderId: 'a',
      userId: 'u',
      retryable: false,
      steps: [],
    });
    expect(error.cause).toBeUndefined();
    expect(log).toEqual(['refused:a:too_large']);
    expect(await processor.order('a')).toBeUndefined();
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1, unsettled: 0 });
    // Its id is free for an order with other content.
    expect((await processor.submit({ id: 'a', userId: 'u', amount: 5 })).balance).toBe(5);
    expect(ran).toEqual(['a']);
  });

  it('refuses with `rule_refused` where it gives no code of its own', async () => {
    const bare = await errorOf(
      new OrderProcessor({ rules: [() => refuse()] }).submit({ userId: 'u', amount: 1 }),
    );
    expect([bare.code, bare.retryable]).toEqual(['rule_refused', false]);
    expect(bare.message).toBe('A rule refused the order with `rule_refused`');
    const coded = await errorOf(
      new OrderProcessor({ rules: [() => refuse('closed')] }).submit({ userId: 'u', amount: 1 }),
    );
    expect([coded.code, coded.message]).toEqual([
      'closed',
      'A rule refused the order with `closed`',
    ]);
  });

  it.each([undefined, null, false] as const)('lets pass with %o', async (answer) => {
    const processor = new OrderProcessor({ rules: [() => answer] });
    const receipt = await processor.submit({ userId: 'u', amount: 1 });
    expect([receipt.balance, receipt.labels]).toEqual([1, []]);
  });
});

describe('several rules', () => {
  it('are asked in order, until one refuses; a refusal has the labels given before it', async () => {
    const asked: number[] = [];
    const rule =
      (at: number, answer: ReturnType<Rule>): Rule =>
      () => {
        asked.push(at);
        return answer;
      };
    const processor = new OrderProcessor({
      rules: [
        rule(0, undefined),
        rule(1, prioritize('high', 'urgent')),
        rule(2, refuse('first')),
        rule(3, refuse('second')),
        rule(4, prioritize('low', 'late')),
      ],
    });
    let refused: OrderError | undefined;
    processor.on('refused', (error) => {
      refused = error;
    });
    const error = await errorOf(processor.submit({ userId: 'u', amount: 1 }));
    expect(asked).toEqual([0, 1, 2]);
    expect([error.code, error.labels]).toEqual(['first', ['urgent']]);
    expect(refused).toBe(error);
  });

  it.each<[Priority | undefined, Priority[], Priority]>([
    ['medium', ['low', 'high', 'medium'], 'high'],
    ['high', ['low'], 'low'],
    ['low', ['medium', 'low'], 'medium'],
    [undefined, ['low', 'low'], 'low'],
    ['high', [], 'high'],
    [undefined, [], 'medium'],
  ])('of %s orders: the most urgent of %j stands, %s', async (given, said, expected) => {
    const processor = new OrderProcessor({
      rules: said.map((priority) => () => prioritize(priority, priority)),
    });
    const record = await processor.enqueue({ id: 'a', userId: 'u', amount: 1, priority: given });
    expect([record.priority, record.labels]).toEqual([expected, said]);
    await processor.onIdle();
    expect(await processor.order('a')).toMatchObject({ priority: expected, labels: said });
  });

  it('invariant 8: each sees the order as its caller handed it in, frozen', async () => {
    const seen: AcceptedOrder[] = [];
    const look: Rule = (order) => {
      seen.push(order);
      expect(Object.isFrozen(order)).toBe(true);
      expect(Reflect.set(order, 'amount', 99)).toBe(false);
      return prioritize('high', 'seen');
    };
    const processor = new OrderProcessor({ rules: [look, look] });
    const payload = { dish: 'soup' };
    const receipt = await processor.submit({
      id: 'a',
      userId: 'u',
      amount: 1,
      priority: 'low',
      payload,
    });
    const none = { labels: [], postings: [] };
    const handedIn = { id: 'a', userId: 'u', amount: 1, priority: 'low', payload, ...none };
    expect(seen).toEqual([handedIn, handedIn]);
    expect(seen[0]?.payload).toBe(payload);
    expect(receipt).toMatchObject({ amount: 1, labels: ['seen', 'seen'] });
  });

  it('know the id that an order without one gets', async () => {
    let seen: string | undefined;
    const rule: Rule = ({ id }) => {
      seen = id;
    };
    const processor = new OrderProcessor({ rules: [rule] });
    expect((await processor.submit({ userId: 'u', amount: 1 })).orderId).toBe(seen);
  });
});

it('invariant 7: a priority given by a rule changes the order of processing', async () => {
  const log: string[] = [];
  const processor = new OrderProcessor({
    concurrency: 1,
    rules: [
      urgentAbove(1_000),
      ({ payload }) => payload === 'whenever' && prioritize('low', 'whenever'),
    ],
    steps: [{ name: 'work', run: ({ id }) => void log.push(id) }],
  });
  processor.pause();
  await processor.enqueue({ id: 'late', userId: 'a', amount: 1, payload: 'whenever' });
  await processor.enqueue({ id: 'plain', userId: 'b', amount: 1 });
  await processor.enqueue({ id: 'plain-too', userId: 'c', amount: 1_000 });
  await processor.enqueue({ id: 'large', userId: 'd', amount: 1_001, priority: 'low' });
  processor.resume();
  await processor.onIdle();
  expect(log).toEqual(['large', 'plain', 'plain-too', 'late']);
});

describe('an id that is known', () => {
  it('invariant 5: is not refused by a rule that would refuse it now', async () => {
    let isClosed = false;
    let asked = 0;
    const processor = new OrderProcessor({
      rules: [
        () => {
          asked += 1;
          return isClosed && refuse('closed');
        },
      ],
      steps: [{ name: 'work', run: () => clock.sleep(10) }],
    });
    const order = { id: 'a', userId: 'u', amount: 1 };
    const first = processor.submit(order);
    await clock.advance(5);
    isClosed = true;
    const inFlight = [processor.submit(order), processor.enqueue(order)] as const;
    await clock.runAll();
    const receipt = await first;
    expect(await inFlight[0]).toEqual(receipt);
    expect(await inFlight[1]).toMatchObject({ id: 'a' });
    expect(await processor.submit(order)).toEqual(receipt);
    expect(await processor.submitMany([order])).toEqual([receipt]);
    expect(await processor.enqueue(order)).toMatchObject({ status: 'completed' });
    expect(asked).toBe(1);
    expect(await codeOf(processor.submit({ ...order, amount: 2 }))).toBe('order_conflict');
    expect(await codeOf(processor.submit({ ...order, id: 'b' }))).toBe('closed');
    expect(asked).toBe(2);
  });
});

it('are asked before room is made, and once for an order that waits for room', async () => {
  const asked: string[] = [];
  const processor = new OrderProcessor({
    capacity: 1,
    overflow: 'wait',
    rules: [
      ({ id }) => {
        asked.push(id);
        return id === 'no' ? refuse('no') : prioritize('high', 'waited');
      },
    ],
    steps: [{ name: 'work', run: () => clock.sleep(10) }],
  });
  const first = processor.submit({ id: 'a', userId: 'u', amount: 1 });
  const second = processor.submit({ id: 'b', userId: 'v', amount: 1 });
  expect(await codeOf(processor.submit({ id: 'no', userId: 'w', amount: 1 }))).toBe('no');
  await clock.runAll();
  expect([(await first).labels, (await second).labels]).toEqual([['waited'], ['waited']]);
  expect(asked).toEqual(['a', 'b', 'no']);
});

describe('every way of handing in', () => {
  const orders = [1, 20, 2].map((amount) => ({ id: `o-${amount}`, userId: 'u', amount }));
  const rules = [maxAmount(10), ({ amount }: AcceptedOrder) => prioritize('low', `of ${amount}`)];
  const expected = ['of 1', 'amount_too_large', 'of 2'];

  it('asks the rules: submitMany and submitStream', async () => {
    const processor = new OrderProcessor({ rules });
    const read = (outcome: Awaited<ReturnType<typeof processor.submitMany>>[number]): unknown =>
      outcome.status === 'completed' ? outcome.labels[0] : outcome.error.code;
    expect((await processor.submitMany(orders)).map(read)).toEqual(expected);
    const streaming = new OrderProcessor({ rules });
    const heard: unknown[] = [];
    for await (const outcome of streaming.submitStream(orders)) heard.push(read(outcome));
    expect(heard).toEqual(expected);
    for (const { stats } of [processor, streaming].map((each) => ({ stats: each.stats() }))) {
      expect(stats).toMatchObject({ accepted: 2, refused: 1, completed: 2 });
    }
  });

  it('asks the rules: enqueue and submit with a signal', async () => {
    const { signal } = new AbortController();
    for (const way of ['enqueue', 'submit'] as const) {
      const processor = new OrderProcessor({ rules });
      const heard = await Promise.all(
        orders.map(async (order) => {
          const handing =
            way === 'enqueue' ? processor.enqueue(order) : processor.submit(order, { signal });
          return handing.then(
            ({ labels }) => labels[0],
            (error) => error.code,
          );
        }),
      );
      expect(heard).toEqual(expected);
      expect(processor.stats()).toMatchObject({ accepted: 2, refused: 1 });
    }
  });
});

describe('the option `rules`', () => {
  it.each<[unknown, string]>([
    [null, 'Expected `rules` to be an array, got `null`'],
    [{}, 'Expected `rules` to be an array, got `{}`'],
    [
      new Set([() => {}]),
      'Expected `rules` to be an array, got `Set(1) { [Function (anonymous)] }`',
    ],
    [[5], 'Expected `rules[0]` to be a function, got `5`'],
    [
      [() => {}, refuse('no')],
      "Expected `rules[1]` to be a function, got `{ kind: 'refuse', code: 'no', message: 'A rule refused the o…`",
    ],
    [new Array(1), 'Expected `rules[0]` to be a function, got `undefined`'],
  ])('refuses %o', (rules, message) => {
    expectThrows(() => new OrderProcessor({ rules: rules as never }), TypeError, message);
  });

  it('is not changed by a caller who changes the array afterwards', async () => {
    const rules: Rule[] = [() => prioritize('high', 'first')];
    const processor = new OrderProcessor({ rules });
    rules[0] = () => refuse();
    rules.push(() => refuse());
    expect((await processor.submit({ userId: 'u', amount: 1 })).labels).toEqual(['first']);
  });
});
