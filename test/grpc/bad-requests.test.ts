/** A well-formed message that is no order or no query is refused with the name of each wrong field. */
import { create, fromJson, type MessageInitShape } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, OrderErrorDetailSchema, type OrderSchema } from 'order-processor/grpc';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type Running, useServers } from './helpers.ts';

const start = useServers();

type Violations = readonly [field: string, description: string][];

/** The fields that a call is refused for. */
async function violationsOf(call: Promise<unknown>): Promise<Violations> {
  const error = await call.then(
    () => new Error('Expected a refusal'),
    (thrown) => thrown,
  );
  if (!(error instanceof ConnectError)) throw error;
  expect(error.code).toBe(Code.InvalidArgument);
  const [detail] = error.findDetails(OrderErrorDetailSchema);
  expect(detail?.code).toBe('invalid_order');
  const [badRequest] = error.findDetails(BadRequestSchema);
  const violations = badRequest?.fieldViolations ?? [];
  expect(detail?.issues).toMatchObject(
    violations.map(({ field, description }) => ({ path: field, message: description })),
  );
  return violations.map(({ field, description }) => [field, description]);
}

const valid = { id: 'o-1', userId: 'u-1', amount: 100n };
const number = (value: number): MessageInitShape<typeof ValueSchema> => ({
  kind: { case: 'numberValue', value },
});

describe('an order', () => {
  const name = 'Expected 1 to 256 characters';
  const json = 'Expected JSON: one kind, finite numbers';

  it.each<[string, MessageInitShape<typeof OrderSchema> | undefined, Violations]>([
    ['that is missing', undefined, [['order', 'Expected an order']]],
    ['without a user', { ...valid, userId: '' }, [['order.user_id', name]]],
    ['whose user is too long', { ...valid, userId: 'u'.repeat(257) }, [['order.user_id', name]]],
    ['whose id is empty', { ...valid, id: '' }, [['order.id', name]]],
    ['whose id is too long', { ...valid, id: '🍜'.repeat(129) }, [['order.id', name]]],
    [
      'whose amount is too great',
      { ...valid, amount: 2n ** 53n },
      [['order.amount', 'Expected at most 2^53 - 1 minor units']],
    ],
    [
      'whose amount is too small',
      { ...valid, amount: -(2n ** 63n) },
      [['order.amount', 'Expected at most 2^53 - 1 minor units']],
    ],
    [
      'whose priority is unknown',
      { ...valid, priority: 99 as never },
      [['order.priority', 'Expected a known priority']],
    ],
    ['whose payload is NaN', { ...valid, payload: number(Number.NaN) }, [['order.payload', json]]],
    [
      'whose payload is infinite inside',
      {
        ...valid,
        payload: {
          kind: { case: 'listValue', value: { values: [number(-Number.POSITIVE_INFINITY)] } },
        },
      },
      [['order.payload', json]],
    ],
    [
      'whose payload is of no kind',
      { ...valid, payload: create(ValueSchema) },
      [['order.payload', json]],
    ],
    [
      'with all that at once',
      { id: '', userId: '', amount: 2n ** 60n, priority: -1 as never, payload: number(Number.NaN) },
      [
        ['order.id', name],
        ['order.user_id', name],
        ['order.amount', 'Expected at most 2^53 - 1 minor units'],
        ['order.priority', 'Expected a known priority'],
        ['order.payload', json],
      ],
    ],
  ])('%s', async (_, order, violations) => {
    const { client, processor } = await start();
    const request = order === undefined ? {} : { order };
    expect(await violationsOf(client.submitOrder(request))).toEqual(violations);
    expect(await violationsOf(client.enqueueOrder(request))).toEqual(violations);
    expect(processor.stats().accepted).toBe(0);
  });

  it('at its bounds is taken', async () => {
    const { client } = await start();
    for (const amount of [BigInt(Number.MAX_SAFE_INTEGER), -BigInt(Number.MAX_SAFE_INTEGER), 0n]) {
      const order = { userId: '🍜'.repeat(128), amount };
      expect((await client.submitOrder({ order })).receipt?.amount).toBe(amount);
    }
  });

  it('with a lone surrogate, which only JSON can have, is refused', async () => {
    const { json, processor } = await start();
    const response = await json('SubmitOrder', '{"order":{"userId":"u-\\ud800","amount":"1"}}');
    expect([response.status, (await response.json()).code]).toEqual([400, 'invalid_argument']);
    expect(processor.stats().accepted).toBe(0);
  });

  it.each([
    ['JSON', 'application/json'],
    ['a stream of JSON', 'application/connect+json'],
    ['protobuf', 'application/proto'],
  ])(
    'that is no UTF-8 is refused in %s, and U+FFFD is a character (invariant 5)',
    async (_, type) => {
      const { server, processor } = await start();
      const isStream = type.includes('connect');
      const call = isStream ? 'WatchOrders' : 'EnqueueOrder';
      const answerTo = async (id: readonly number[]): Promise<Response> => {
        const text = isStream
          ? ['{"userId":"u', '"}']
          : ['{"order":{"userId":"u-1","id":"o', '"}}'];
        const json = Buffer.concat([
          Buffer.from(text[0] as string),
          Buffer.from(id),
          Buffer.from(text[1] as string),
        ]);
        const field = (number: number, bytes: readonly number[]): number[] => [
          number * 8 + 2,
          bytes.length,
          ...bytes,
        ];
        const binary = Buffer.from(field(1, [...field(1, [0x6f, ...id]), ...field(2, [0x75])]));
        const prefix = Buffer.from([0, 0, 0, 0, json.length]);
        const body = type.endsWith('proto')
          ? binary
          : isStream
            ? Buffer.concat([prefix, json])
            : json;
        return fetch(`${server.url}/orderprocessor.v1.OrderService/${call}`, {
          method: 'POST',
          headers: { 'content-type': type, 'connect-timeout-ms': '200' },
          body,
        });
      };
      for (const bytes of [[0xff], [0xf0, 0x9f, 0x98], [0xed, 0xa0, 0x80]]) {
        const response = await answerTo(bytes);
        if (isStream) expect(await response.text()).toContain('invalid_argument');
        else expect(response.ok).toBe(false);
      }
      expect(processor.stats().accepted).toBe(0);
      const response = await answerTo([0xef, 0xbf, 0xbd]);
      if (isStream) expect(await response.text()).toContain('deadline_exceeded');
      else expect(response.status).toBe(200);
      expect((await processor.order('o\ufffd'))?.id).toBe(isStream ? undefined : 'o\ufffd');
    },
  );

  it('is not repeated whole by what refuses it (invariant 6)', async () => {
    const { json } = await start();
    const long = 'x'.repeat(100_000);
    for (const body of [
      { order: { amount: long } },
      { order: { userId: 'u', id: long } },
      { order: { userId: 'u', priority: long } },
      { [long]: 1 },
      { order: { userId: 'u', [long]: [[long]] } },
      { order: long },
    ]) {
      const response = await json('SubmitOrder', JSON.stringify(body));
      expect([response.status, (await response.text()).length < 2_000]).toEqual([400, true]);
    }
    for (const [call, body] of [
      ['ListOrders', { pageSize: long }],
      ['ListOrders', { pageToken: long }],
      ['GetOrder', { id: long }],
    ] as const) {
      const response = await json(call, JSON.stringify(body));
      expect([response.status, (await response.text()).length < 2_000]).toEqual([400, true]);
    }
    const order = { userId: 'u', amount: '1', payload: { payload: long, [long]: [long] } };
    expect((await json('SubmitOrder', JSON.stringify({ order }))).status).toBe(200);
  });

  it('whose JSON begins with a byte order mark is taken', async () => {
    const { json } = await start();
    const response = await json('SubmitOrder', '\ufeff{"order":{"userId":"u-1","amount":"1"}}');
    expect(response.status).toBe(200);
  });

  it('whose payload does not fit the schema is refused with the places', async () => {
    const schema = z.object({ dish: z.string() });
    const { client } = await start({ processor: { schema: schema as never } });
    const payload = fromJson(ValueSchema, { dish: 5 });
    const violations = await violationsOf(client.submitOrder({ order: { ...valid, payload } }));
    expect(violations).toEqual([['order.payload.dish', expect.stringContaining('string')]]);
  });
});

describe('a payload with the key __proto__', () => {
  const fields = '{"__proto__":{"isAdmin":true}}';

  it.each([
    ['at the top', fields],
    ['deep inside', `{"a":[{"b":${fields}}]}`],
  ])('%s is refused in JSON', async (_, payload) => {
    const { json, processor } = await start();
    const body = `{"order":{"userId":"u-1","amount":"1","payload":${payload}}}`;
    const response = await json('SubmitOrder', body);
    expect([response.status, (await response.json()).code]).toEqual([400, 'invalid_argument']);
    expect(processor.stats().accepted).toBe(0);
    expect(({} as { isAdmin?: boolean }).isAdmin).toBe(undefined);
  });

  it('is refused in gRPC, by a client that can send it', async () => {
    const { grpc, processor } = await start();
    const inner = Object.defineProperty({}, '__proto__', {
      value: { boolValue: true },
      enumerable: true,
    });
    const payload = { structValue: { fields: inner } };
    const call = grpc.call('submitOrder', { order: { userId: 'u-1', amount: 1, payload } });
    await expect(call).rejects.toMatchObject({ code: Code.InvalidArgument });
    expect(processor.stats().accepted).toBe(0);
  });
});

describe('a query', () => {
  it.each<[string, (client: Running['client']) => Promise<unknown>, Violations]>([
    [
      'for an order without an id',
      (client) => client.getOrder({}),
      [['id', 'Expected 1 to 256 characters']],
    ],
    [
      'to cancel what has no id',
      (client) => client.cancelOrder({ id: '' }),
      [['id', 'Expected 1 to 256 characters']],
    ],
    [
      'for the balance of no user',
      (client) => client.getBalance({}),
      [['user_id', 'Expected 1 to 256 characters']],
    ],
    [
      'of a status that is none',
      (client) => client.listOrders({ status: 77 as never }),
      [['status', 'Expected a known status']],
    ],
    [
      'for too many at once',
      (client) => client.listOrders({ pageSize: 1_001 }),
      [['page_size', 'Expected 0 to 1000']],
    ],
    [
      'for fewer than none',
      (client) => client.listOrders({ pageSize: -1 }),
      [['page_size', 'Expected 0 to 1000']],
    ],
    [
      'of a token that is none',
      (client) => client.listOrders({ pageToken: 'somewhere' }),
      [['page_token', 'Expected the token of a page']],
    ],
    [
      'of no user',
      (client) => client.listOrders({ userId: '' }),
      [['user_id', 'Expected 1 to 256 characters']],
    ],
    [
      'from before 1970',
      (client) => client.listOrders({ acceptedFrom: { seconds: -5n } }),
      [['accepted_from', 'Expected a time from 1970 to 9999']],
    ],
    [
      'before before 1970',
      (client) => client.listOrders({ acceptedBefore: { seconds: -5n } }),
      [['accepted_before', 'Expected a time from 1970 to 9999']],
    ],
    [
      'from the end of all times',
      (client) => client.listOrders({ acceptedFrom: { seconds: 2n ** 62n } }),
      [['accepted_from', 'Expected a time from 1970 to 9999']],
    ],
    [
      'before the end of all times',
      (client) => client.listOrders({ acceptedBefore: { seconds: 2n ** 62n } }),
      [['accepted_before', 'Expected a time from 1970 to 9999']],
    ],
    [
      'for events of no user',
      async (client) => {
        for await (const _ of client.watchOrders({ userId: '' }));
      },
      [['user_id', 'Expected 1 to 256 characters']],
    ],
  ])('%s', async (_, call, violations) => {
    const { client } = await start();
    expect(await violationsOf(call(client))).toEqual(violations);
  });
});
