import { OrderProcessor, prioritize, type StandardSchema } from 'order-processor';
import * as v from 'valibot';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { expectThrows } from '../../kit/bad-values.ts';
import { codeOf, errorOf, logOf } from '../../kit/helpers.ts';
import { order, schemaOf } from '../../kit/schemas.ts';

interface Meal {
  readonly dish: string;
  readonly portions: number;
  readonly at: Date;
  readonly tags: readonly string[];
}

const schemas: [string, StandardSchema<unknown, Meal>][] = [
  [
    'zod',
    z.object({
      dish: z.string().trim().min(1),
      portions: z.number().int().default(1),
      at: z.string().transform((text) => new Date(text)),
      tags: z.array(z.string()).default([]),
    }),
  ],
  [
    'valibot',
    v.object({
      dish: v.pipe(v.string(), v.trim(), v.minLength(1)),
      portions: v.optional(v.pipe(v.number(), v.integer()), 1),
      at: v.pipe(
        v.string(),
        v.transform((text) => new Date(text)),
      ),
      tags: v.optional(v.array(v.string()), []),
    }),
  ],
];

describe.each(schemas)('a schema of %s', (_, schema) => {
  const at = new Date('2030-01-01');
  const handedIn = { dish: ' soup ', at: '2030-01-01', unknown: true };
  const expected: Meal = { dish: 'soup', portions: 1, at, tags: [] };

  it('puts what it makes of a payload in its place, everywhere', async () => {
    const seen: Record<string, unknown> = {};
    const note = (where: string, payload: unknown): void => {
      seen[where] = payload;
    };
    const processor = new OrderProcessor({
      schema,
      rules: [
        ({ payload }) => {
          seen.rule = payload;
          return prioritize('high', payload.at.toISOString());
        },
      ],
      steps: [
        {
          name: 'vendor',
          run({ payload }, context) {
            seen.step = payload;
            seen.context = context.order.payload;
          },
        },
      ],
    });
    processor
      .on('accepted', ({ payload }) => note('accepted', payload))
      .on('started', ({ payload }) => note('started', payload))
      .on('completed', ({ payload }) => note('completed', payload));
    const given = { ...order('a'), payload: handedIn };
    const enqueued = processor.enqueue(given);
    seen.enqueued = (await enqueued).payload;
    const receipt = await processor.submit(given);
    seen.receipt = receipt.payload;
    seen.record = (await processor.order('a'))?.payload;
    expect(Object.keys(seen)).toHaveLength(9);
    for (const [where, payload] of Object.entries(seen))
      expect([where, payload]).toEqual([where, expected]);
    expect(receipt.labels).toEqual([at.toISOString()]);
    expect(handedIn).toEqual({ dish: ' soup ', at: '2030-01-01', unknown: true });
  });

  it('refuses what does not fit with `invalid_order`, with paths and messages', async () => {
    const processor = new OrderProcessor({ schema });
    const log = logOf(processor as never);
    const payload = { dish: ' ', portions: 1.5, at: 5, tags: ['a', 7] } as never;
    const error = await errorOf(processor.submit({ id: 'a', userId: 'u', amount: 1, payload }));
    expect(error).toMatchObject({
      code: 'invalid_order',
      orderId: 'a',
      userId: 'u',
      retryable: false,
    });
    expect(error.cause).toBeUndefined();
    const paths = error.issues.map(({ path }) => path);
    const [dish, portions, at, tag] = ['dish', 'portions', 'at', 'tags[1]'];
    expect(paths).toEqual([dish, portions, at, tag].map((path) => `payload.${path}`));
    const listed = error.issues.map(({ path, message }) => `${path}: ${message}`).join('; ');
    expect(error.message).toBe(`The payload does not fit the schema: ${listed}`);
    for (const { message } of error.issues) expect(message).toMatch(/\w+ \w+/);
    expect(log).toEqual(['refused:a:invalid_order']);
    expect(processor.stats()).toMatchObject({ accepted: 0, refused: 1, unsettled: 0 });
    expect(await processor.order('a')).toBeUndefined();
    // Its id is free.
    const mended = { id: 'a', userId: 'u', amount: 1, payload: handedIn };
    expect((await processor.submit(mended)).balance).toBe(1);
  });

  it('names no path for the payload itself', async () => {
    const processor = new OrderProcessor({ schema });
    const error = await errorOf(processor.submit({ userId: 'u', amount: 1 } as never));
    expect(error.issues.map(({ path }) => path)).toEqual(['payload']);
    const [issue] = error.issues;
    expect(error.message).toBe(`The payload does not fit the schema: ${issue?.message}`);
  });

  it('invariant 5: the same id is compared by what its caller handed in', async () => {
    const processor = new OrderProcessor({ schema });
    const submit = (payload: object) =>
      processor.submit({ id: 'a', userId: 'u', amount: 1, payload: payload as never });
    const receipt = await submit(handedIn);
    expect(await submit(structuredClone(handedIn))).toEqual(receipt);
    expect(await codeOf(submit({ dish: 'soup', portions: 2, at: '2030-01-01' }))).toBe(
      'order_conflict',
    );
    expect(await codeOf(submit({ dish: 'soup', at: '2031-01-01' }))).toBe('order_conflict');
    expect(processor.stats()).toMatchObject({ accepted: 1, duplicates: 1, refused: 2 });
  });

  it('takes frozen payloads', async () => {
    const processor = new OrderProcessor({ schema });
    const payload = Object.freeze({ ...handedIn, tags: Object.freeze(['a']) }) as never;
    const receipt = await processor.submit({ userId: 'u', amount: 1, payload });
    expect(receipt.payload).toEqual({ ...expected, tags: ['a'] });
  });
});

it('keeps a payload that the schema hands on by reference, frozen or not', async () => {
  const processor = new OrderProcessor({ schema: schemaOf((value) => ({ value })) });
  for (const payload of [{ mine: 1 }, Object.freeze({ mine: 2 }), undefined, null, () => {}]) {
    expect((await processor.submit({ userId: 'u', amount: 1, payload })).payload).toBe(payload);
  }
});

describe('issues', () => {
  const failing = (issues: unknown) => new OrderProcessor({ schema: schemaOf(() => ({ issues })) });

  it.each<[string, readonly unknown[] | undefined]>([
    ['payload', undefined],
    ['payload', []],
    ['payload.items[0].quantity', ['items', 0, 'quantity']],
    ['payload.items["0"].quantity', ['items', '0', 'quantity']],
    ['payload["items[0].quantity"]', ['items[0].quantity']],
    ['payload["a.b"]["c\\"d"][""]', ['a.b', 'c"d', '']],
    ['payload.a.b', ['a', 'b']],
    ['payload.größe.a_1["1a"]["with space"]', ['größe', 'a_1', '1a', 'with space']],
    ['payload[3][4]', [3, 4]],
    ['payload.items[2].sku', [{ key: 'items' }, { key: 2 }, { key: 'sku' }]],
    ['payload.meta["Symbol(hidden)"].x', ['meta', Symbol('hidden'), 'x']],
    ['payload["Symbol(Symbol.iterator)"]', [Symbol.iterator]],
    ['payload["Symbol(s)"]', [{ key: Symbol('s') }]],
    ['payload.__proto__.constructor', ['__proto__', 'constructor']],
  ])('show a path as `%s`', async (text, path) => {
    const error = await errorOf(failing([{ message: 'No', path }]).submit(order('a')));
    expect(error.issues).toEqual([{ path: text, message: 'No' }]);
    const listed = text === 'payload' ? 'No' : `${text}: No`;
    expect(error.message).toBe(`The payload does not fit the schema: ${listed}`);
  });

  it('are all there, though the message lists no more than ten', async () => {
    const issues = Array.from({ length: 12 }, (_, at) => ({ message: `m${at}`, path: [`f${at}`] }));
    const heard = async (count: number) =>
      errorOf(failing(issues.slice(0, count)).submit(order('a')));
    const ten = await heard(10);
    expect(ten.message).toMatch(/f8: m8; payload.f9: m9$/);
    const eleven = await heard(11);
    expect(eleven.message).toMatch(/f8: m8; payload.f9: m9; and 1 more$/);
    const twelve = await heard(12);
    expect(twelve.message).toMatch(/f8: m8; payload.f9: m9; and 2 more$/);
    expect(twelve.issues).toEqual(
      issues.map(({ message }, at) => ({ path: `payload.f${at}`, message })),
    );
  });

  it('that are none refuse all the same, as the specification has it', async () => {
    expect((await errorOf(failing([]).submit(order('a')))).code).toBe('invalid_order');
  });

  it('are reported even if a message is no text', async () => {
    const error = await errorOf(failing([{ message: 5 }, {}]).submit(order('a')));
    expect(error.issues.map(({ message }) => message)).toEqual(['5', 'undefined']);
  });

  it('are copies that no caller can change', async () => {
    const path = ['a'];
    const error = await errorOf(failing([{ message: 'No', path }]).submit(order('a')));
    expect(Object.isFrozen(error.issues[0])).toBe(true);
    path[0] = 'b';
    expect(error.issues[0]?.path).toBe('payload.a');
  });
});

describe('the option `schema`', () => {
  it('may be a function, as the types of ArkType are', async () => {
    const schema = Object.assign((value: unknown) => value, {
      '~standard': {
        version: 1 as const,
        vendor: 'arktype',
        validate(this: { vendor: string }, value: unknown) {
          return typeof value === 'string'
            ? { value: `${value} of ${this.vendor}` }
            : { issues: [{ message: 'must be a string', path: [] }] };
        },
      },
    });
    const processor = new OrderProcessor({ schema });
    const receipt = await processor.submit({ userId: 'u', amount: 1, payload: 'soup' });
    expect(receipt.payload).toBe('soup of arktype');
    expect(await codeOf(processor.submit({ userId: 'u', amount: 1, payload: 5 as never }))).toBe(
      'invalid_order',
    );
  });

  it.each<[unknown, string]>([
    [null, 'Expected `schema` to be a Standard Schema, got `null`'],
    ['string', 'Expected `schema` to be a Standard Schema, got `"string"`'],
    [{}, 'Expected `schema` to be a Standard Schema, got `{}`'],
    [() => true, 'Expected `schema` to be a Standard Schema, got `[Function (anonymous)]`'],
    [{ '~standard': 1 }, "Expected `schema` to be a Standard Schema, got `{ '~standard': 1 }`"],
    [
      { '~standard': { version: 2, validate: () => ({ value: 1 }) } },
      "Expected `schema` to be a Standard Schema, got `{ '~standard': { version: 2, validate: [Function: validate] …`",
    ],
    [
      { '~standard': { version: 1 } },
      "Expected `schema['~standard'].validate` to be a function, got `undefined`",
    ],
    [
      { '~standard': { version: 1, validate: 'yes' } },
      'Expected `schema[\'~standard\'].validate` to be a function, got `"yes"`',
    ],
  ])('refuses %o', (schema, message) => {
    expectThrows(() => new OrderProcessor({ schema: schema as never }), TypeError, message);
  });
});
