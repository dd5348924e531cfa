import type { StandardSchema } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { codeOf, errorOf } from '../../kit/helpers.ts';
import { open } from '../../kit/kept/helpers.ts';
import { KeptStorage } from '../../kit/kept-storage.ts';

class Size {
  name = 'L';
}

function cycle(): unknown {
  const cyclic: Record<string, unknown> = {};
  cyclic.self = { again: cyclic };
  return cyclic;
}

function deep(depth: number): unknown {
  let value: unknown = 'x';
  for (let at = 0; at < depth; at += 1) value = [value];
  return value;
}

const json = () => new KeptStorage(undefined, 'json');

describe('a payload that a schema made more than JSON', () => {
  const schemaOf = (made: unknown): StandardSchema => ({
    '~standard': { version: 1, vendor: 'test', validate: () => ({ value: made }) },
  });

  it('is not its caller’s fault: internal, with the place as the cause', async () => {
    const processor = await open(json(), { schema: schemaOf({ at: new Date(0) }) });
    const order = { id: 'o', userId: 'u', amount: 1, payload: { at: '1970' } };
    const error = await errorOf(processor.submit(order));
    expect(error).toMatchObject({
      code: 'internal',
      outcome: 'refused',
      orderId: 'o',
      cause: { code: 'invalid_order', issues: [{ path: 'payload.at' }] },
    });
    await processor.shutdown();
  });

  it('but what its caller handed in is', async () => {
    const processor = await open(json(), { schema: schemaOf({ at: new Date(0) }) });
    const order = { userId: 'u', amount: 1, payload: { n: 1n } };
    expect(await codeOf(processor.submit(order))).toBe('invalid_order');
    await processor.shutdown();
  });
});

const order = (id: string, userId = 'u', amount = 1) => ({ id, userId, amount });

describe('a storage that keeps JSON', () => {
  it.each([
    ['a Date', { at: new Date(0) }, 'payload.at'],
    ['a Map', [new Map()], 'payload[0]'],
    ['a Set', { a: [1, new Set()] }, 'payload.a[1]'],
    ['a bigint', { n: 1n }, 'payload.n'],
    ['NaN', Number.NaN, 'payload'],
    ['Infinity', [[Number.POSITIVE_INFINITY]], 'payload[0][0]'],
    ['-0', { n: -0 }, 'payload.n'],
    ['a function', { f() {} }, 'payload.f'],
    ['a symbol', Symbol('s'), 'payload'],
    ['undefined in an array', [1, undefined], 'payload[1]'],
    ['a hole', Object.assign([], { 0: 1, 2: 1 }), expect.stringMatching(/^payload/)],
    ['a cycle', cycle(), 'payload.self.again'],
    ['a class instance', { size: new Size() }, 'payload.size'],
    ['a lone surrogate', { s: '\ud800' }, 'payload.s'],
    ['a lone surrogate in a key', { '\ud800': 1 }, expect.stringMatching(/^payload/)],
    ['a typed array', { b: new Uint8Array(1) }, 'payload.b'],
    ['a boxed string', { b: Object('x') }, 'payload.b'],
    ['a toJSON', { a: { toJSON: () => 1 } }, 'payload.a'],
    ['a symbol for a key', { [Symbol('s')]: 1 }, expect.stringMatching(/^payload/)],
    ['a property of an array', Object.assign([1], { x: 1 }), expect.stringMatching(/^payload/)],
    ['10 000 levels', deep(10_000), expect.stringMatching(/^payload/)],
  ])('refuses a payload with %s, and says where', async (_, payload, path) => {
    const storage = json();
    const processor = await open(storage);
    const order = { id: 'a', userId: 'u', amount: 1, payload };
    for (const how of ['submit', 'enqueue'] as const) {
      expect(await errorOf(processor[how](order))).toMatchObject({
        code: 'invalid_order',
        orderId: 'a',
        retryable: false,
        issues: [{ path }],
      });
    }
    expect(storage.log).toEqual([]);
    expect(storage.asked).toEqual(['unsettled', 'find a', 'find a']);
    expect(processor.stats()).toMatchObject({ refused: 2, accepted: 0 });
    await processor.shutdown();
  });

  it('invariant 8: refuses a payload that throws when it is read', async () => {
    const processor = await open(json());
    const payload = Object.defineProperty({}, 'x', throwing());
    const order = { id: 'a', userId: 'u', amount: 1, payload };
    expect(await codeOf(processor.submit(order))).toBe('invalid_order');
    expect(await codeOf(processor.enqueue(order))).toBe('invalid_order');
    await processor.shutdown();
  });

  it.each([
    ['nothing', undefined],
    ['null', null],
    ['a string', 'é\u{1f600}'],
    ['an object without prototype', Object.assign(Object.create(null), { a: [1] })],
    ['an object twice, which is no cycle', twice()],
    ['a property that is undefined', { a: undefined, b: [{ c: undefined }] }],
    ['numbers at the edge', [Number.MAX_VALUE, Number.MIN_VALUE, 0]],
    ['100 levels', deep(100)],
  ])('takes a payload of %s', async (_, payload) => {
    const processor = await open(json());
    const order = { id: 'a', userId: 'u', amount: 1, payload };
    expect(await processor.submit(order)).toMatchObject({ balance: 1 });
    expect(await codeOf(processor.submit(order))).toBe('completed');
    await processor.shutdown();
  });

  it('invariant 5: sees no conflict in a property that is undefined', async () => {
    const processor = await open(json());
    const order = { id: 'a', userId: 'u', amount: 1 };
    await processor.submit({ ...order, payload: { a: 1, b: undefined } });
    expect(await codeOf(processor.submit({ ...order, payload: { a: 1 } }))).toBe('completed');
    expect(await codeOf(processor.submit({ ...order, payload: { a: 1, c: undefined } }))).toBe(
      'completed',
    );
    expect(await codeOf(processor.submit({ ...order, payload: { a: 2 } }))).toBe('order_conflict');
    expect(await codeOf(processor.submit({ ...order, payload: undefined }))).toBe('order_conflict');
    await processor.shutdown();
  });

  it('invariant 5: gives what was accepted before under the id of a payload that is no JSON', async () => {
    const before = new KeptStorage();
    const first = await open(before);
    const order = { id: 'a', userId: 'u', amount: 1, payload: { at: new Date(0) } };
    const receipt = await first.submit(order);
    await first.shutdown();
    const processor = await open(new KeptStorage(before.disk, 'json'));
    expect(await processor.submit(order)).toEqual(receipt);
    await processor.shutdown();
  });

  it('invariant 8: what becomes of a payload after `enqueue` is its owner’s alone', async () => {
    const storage = new KeptStorage(undefined, 'json');
    const seen: unknown[] = [];
    const processor = await open(storage, {
      steps: [{ name: 'work', run: ({ payload }) => void seen.push(payload) }],
    });
    const payload: Record<string, unknown> = { items: [1] };
    const enqueued = processor.enqueue({ ...order('a'), payload });
    payload.items = 1n;
    await enqueued;
    await processor.onIdle();
    expect(seen).toEqual([{ items: [1] }]);
    await processor.shutdown();
  });
});

describe('a storage that keeps any value', () => {
  it('takes what is no JSON', async () => {
    const processor = await open(new KeptStorage());
    const payload = { at: new Date(0), n: 1n, map: new Map([[1, -0]]), size: new Size() };
    const order = { id: 'a', userId: 'u', amount: 1, payload };
    expect((await processor.submit(order)).payload).toBe(payload);
    expect(await codeOf(processor.submit(order))).toBe('completed');
    await processor.shutdown();
  });
});

function twice(): unknown {
  const shared = { a: 1 };
  return { first: shared, second: [shared, shared] };
}

function throwing(): PropertyDescriptor {
  return {
    enumerable: true,
    get() {
      throw new Error('Not for you');
    },
  };
}
