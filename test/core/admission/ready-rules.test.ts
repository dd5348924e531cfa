import {
  isOrderError,
  maxAmount,
  maxItems,
  minAmount,
  type Order,
  OrderProcessor,
  prioritize,
  type Rule,
  refuse,
  urgentAbove,
} from 'order-processor';
import { describe, expect, it } from 'vitest';
import { expectThrows, noCounts } from '../../kit/bad-values.ts';
import { errorOf } from '../../kit/helpers.ts';

/** What one rule makes of an order: the refusal's code, or its priority and labels. */
async function verdictOn(rule: Rule<never>, order: Partial<Order>): Promise<string> {
  await using processor = new OrderProcessor({ rules: [rule as Rule] });
  try {
    const { id } = await processor.enqueue({ userId: 'u', amount: 1, ...order });
    const record = await processor.order(id);
    return [record?.priority, ...(record?.labels ?? [])].join(' ');
  } catch (error) {
    if (isOrderError(error)) return error.code;
    throw error;
  }
}

describe('ready-made rules', () => {
  it.each([
    [
      minAmount(5),
      [
        [4, 'amount_too_small'],
        [5, 'medium'],
        [-5, 'amount_too_small'],
      ],
    ],
    [
      minAmount(-5),
      [
        [-6, 'amount_too_small'],
        [-5, 'medium'],
        [0, 'medium'],
      ],
    ],
    [
      minAmount(0),
      [
        [-1, 'amount_too_small'],
        [0, 'medium'],
        [Number.MAX_SAFE_INTEGER, 'medium'],
      ],
    ],
    [
      maxAmount(5),
      [
        [5, 'medium'],
        [6, 'amount_too_large'],
        [-5, 'medium'],
        [-6, 'amount_too_large'],
      ],
    ],
    [
      maxAmount(0),
      [
        [0, 'medium'],
        [1, 'amount_too_large'],
        [-1, 'amount_too_large'],
      ],
    ],
    [
      urgentAbove(5),
      [
        [5, 'medium'],
        [6, 'high high_value'],
        [-5, 'medium'],
        [-6, 'high high_value'],
      ],
    ],
    [
      urgentAbove(0, 'any'),
      [
        [0, 'medium'],
        [1, 'high any'],
        [-1, 'high any'],
      ],
    ],
  ] as [Rule, [number, string][]][])('bound amounts, debits too: %#', async (rule, cases) => {
    const heard = await Promise.all(cases.map(([amount]) => verdictOn(rule, { amount })));
    expect(heard).toEqual(cases.map(([, verdict]) => verdict));
  });

  it('say what was asked for and what came', async () => {
    const messages = await Promise.all(
      [minAmount(5), maxAmount(0), maxItems(0)].map(async (rule) => {
        const processor = new OrderProcessor({ rules: [rule as Rule] });
        const order = { userId: 'u', amount: -1, payload: { items: [1, 2] } };
        return (await errorOf(processor.submit(order))).message;
      }),
    );
    expect(messages).toEqual([
      'The least amount is 5, got -1',
      'The greatest amount is 0, got -1',
      'At most 0 items, got 2',
    ]);
  });

  it.each<[Rule<never>, unknown, string]>([
    [maxItems(2), { items: ['a', 'b'] }, 'medium'],
    [maxItems(2), { items: ['a', 'b', 'c'] }, 'too_many_items'],
    [maxItems(0), { items: [] }, 'medium'],
    [maxItems(0), { items: ['a'] }, 'too_many_items'],
    [maxItems(0), {}, 'medium'],
    [maxItems(0), { items: undefined }, 'medium'],
    [maxItems(0), undefined, 'medium'],
    [maxItems(2), { items: new Set() }, 'internal'],
    [maxItems(2, (text: string) => text.length), 'ab', 'medium'],
    [maxItems(2, (text: string) => text.length), 'abc', 'too_many_items'],
    [maxItems(2, () => Number.NaN), undefined, 'internal'],
    [maxItems(2, () => '3' as never), undefined, 'internal'],
  ])('count items: %# %j %s', async (rule, payload, verdict) => {
    expect(await verdictOn(rule, { payload })).toBe(verdict);
  });

  it('refuse bad arguments', () => {
    for (const [value, kind, shown] of noCounts.slice(1)) {
      for (const [name, make] of [
        ['most', maxAmount],
        ['most', maxItems],
        ['amount', urgentAbove],
      ] as const) {
        const message = `Expected \`${name}\` to be an integer from 0 up, got \`${shown}\``;
        expectThrows(() => make(value as never), kind, message);
      }
      if (value === -1) continue;
      const message = `Expected \`least\` to be a safe integer, got \`${shown}\``;
      expectThrows(() => minAmount(value as never), kind, message);
    }
    const message = 'Expected `label` to be a string that is not empty, got `""`';
    expectThrows(() => urgentAbove(5, ''), TypeError, message);
    for (const make of [maxAmount, maxItems, urgentAbove]) make(0);
    minAmount(Number.MIN_SAFE_INTEGER);
  });

  it('refuse and prioritize refuse bad arguments', () => {
    for (const [code, shown] of [
      ['Upper', '"Upper"'],
      ['with space', '"with space"'],
      ['_led', '"_led"'],
      ['7up', '"7up"'],
      ['', '""'],
      [null, 'null'],
      [5, '5'],
    ] as const) {
      const message = `Expected \`code\` to be lower snake case, got \`${shown}\``;
      expectThrows(() => refuse(code as never), TypeError, message);
    }
    expectThrows(
      () => refuse(`a${'b'.repeat(64)}`),
      TypeError,
      `Expected \`code\` to be lower snake case, got \`"a${'b'.repeat(58)}…\``,
    );
    expect(refuse('a'.repeat(64), '')).toEqual({
      kind: 'refuse',
      code: 'a'.repeat(64),
      message: '',
    });
    expectThrows(
      () => refuse('ok', 5 as never),
      TypeError,
      'Expected `message` to be a string, got `5`',
    );
    for (const [priority, shown] of [
      ['urgent', '"urgent"'],
      [undefined, 'undefined'],
      [0, '0'],
    ] as const) {
      const message = `Expected \`priority\` to be 'high', 'medium' or 'low', got \`${shown}\``;
      expectThrows(() => prioritize(priority as never, 'x'), TypeError, message);
    }
    for (const [label, shown] of [
      ['', '""'],
      [undefined, 'undefined'],
      [['x'], "[ 'x' ]"],
    ] as const) {
      const message = `Expected \`label\` to be a string that is not empty, got \`${shown}\``;
      expectThrows(() => prioritize('high', label as never), TypeError, message);
    }
  });
});
