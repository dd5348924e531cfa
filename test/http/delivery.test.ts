/**
 * Requests to the delivery service of the examples, over a real socket, each answer foretold: 20 000 in `npm run full`.
 */
import { Pool } from 'undici';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { isFull } from '../kit/full.ts';
import { randomFrom } from '../kit/random.ts';
import {
  type Answer,
  checkAnswer,
  type Delivery,
  type Expected,
  forever,
  outcomeOf,
  refusal,
} from './delivery-model.ts';

const requests = isFull ? 20_000 : 4_000;
const callers = 300;
const seed = 20_000;

const random = randomFrom(seed);
const log: string[] = [];
/** The lines that must come into the log, in any order. */
const foretold: string[] = [];
let sent = 0;
let server: { readonly url: string; close(): Promise<unknown> };
let pool: Pool;

beforeAll(async () => {
  vi.stubEnv('PORT', '0');
  vi.spyOn(console, 'log').mockImplementation((...parts) => void log.push(parts.join(' ')));
  ({ server } = await import('../../examples/services/delivery-service/index.ts'));
  pool = new Pool(server.url, { connections: 64 });
});

afterAll(async () => {
  await pool.close();
  await server.close();
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

async function send(body: unknown, method = 'POST', signal?: AbortSignal): Promise<Answer> {
  sent += 1;
  const response = await pool.request({
    path: '/order',
    method: method as 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
    signal: signal ?? null,
  });
  return { status: response.statusCode, text: await response.body.text() };
}

function check(answer: Answer, expected: Expected): void {
  checkAnswer(answer, expected);
  const { status, kind, orderId } = expected;
  foretold.push(`${status} ${kind} ${JSON.stringify(orderId)}`);
}

const upTo = (most: number): number => Math.floor(random() * (most + 1));
const oneOf = <T>(list: readonly T[]): T => list[upTo(list.length - 1)] as T;
const delays = () => ({ payment: upTo(3), vendor: upTo(3), courier: upTo(3) });
const failing = ['payment', 'vendor', 'courier'] as const;

let orders = 0;
function order(fields: Omit<Delivery, 'order_id'> = {}): Delivery {
  orders += 1;
  const amount = (1 + upTo(1_000_000)) / 100;
  return { order_id: `o-${orders}`, amount, delay_ms: delays(), ...fields };
}

async function settles(delivery: Delivery): Promise<Answer> {
  const answer = await send(delivery);
  check(answer, outcomeOf(delivery));
  return answer;
}

/** The same answer: to the letter if all went well; else the first one came before all steps had ended. */
function expectSame(again: Answer, first: Answer): void {
  const isFine = first.status === 200;
  const [a, b] = [again, first].map(({ text }) =>
    isFine ? text : text.replace(/"duration_ms":\d+/g, ''),
  );
  expect([again.status, a]).toEqual([first.status, b]);
  const { order_id, error } = JSON.parse(first.text);
  foretold.push(`${first.status} ${error?.kind ?? 'ok'} "${order_id}"`);
}

async function isRefused(body: unknown, method?: string): Promise<void> {
  const [status, kind] =
    method === undefined ? ([400, 'bad_request'] as const) : ([405, 'method_not_allowed'] as const);
  check(await send(body, method), refusal(status, kind));
}

const malformed = ['', '{', 'null', '[]', '"o"', '{"order_id":}', '{"order_id":"o"', '\u0000'];

/** What is sent in one go; each sends as many requests as it takes. */
const scenarios: readonly (() => Promise<unknown>)[] = [
  () => settles(order()),
  () => settles(order()),
  () => settles(order({ fail_step: oneOf(failing) })),
  () => settles(order({ fail_step: oneOf(failing) })),
  () => settles(order({ amount: oneOf([0, -0.01, -5, -1e6]) })),
  () => settles({ order_id: order().order_id, delay_ms: delays() }),
  // Nothing but the failing step can have ended.
  () => {
    const fail_step = oneOf(failing);
    const rest = { payment: forever, vendor: forever, courier: forever };
    return settles(order({ fail_step, delay_ms: { ...rest, [fail_step]: upTo(3) } }));
  },
  () => isRefused(oneOf(malformed)),
  () => isRefused(`${JSON.stringify(order())}${oneOf([' ', '', '\n'])}${JSON.stringify(order())}`),
  () => isRefused({ ...order(), [oneOf(['tip', 'Amount', 'steps', 'toString'])]: 1 }),
  () => isRefused({ ...order(), order_id: undefined }),
  () => isRefused({ ...order(), ...oneOf([{ fail_step: 'cook' }, { delay_ms: { cook: 1 } }]) }),
  () => isRefused({ ...order(), delay_ms: { vendor: oneOf([-1, 0.5, 1e9, '1', null]) } }),
  () => isRefused({ ...order(), amount: oneOf([0.125, 99.999, 0.1 + 0.2, 1e-3, '1', null, 1e15]) }),
  () => isRefused(order(), oneOf(['PUT', 'PATCH', 'DELETE'])),
  () => isRefused('', 'GET'),
  // The same at once, and later once more, written in another way.
  async () => {
    const delivery = order(oneOf([{}, { fail_step: 'vendor' }]));
    const { amount = 0 } = delivery;
    const [first, second] = await Promise.all([settles(delivery), send(delivery)]);
    expectSame(second, first);
    const text = JSON.stringify({ ...delivery, amount: 0 });
    const again = text.replace('"amount":0', `"amount":${amount.toFixed(2)}`);
    expectSame(await send(again), first);
  },
  // Another one of the same id.
  async () => {
    const delivery = order();
    const { amount = 0, delay_ms } = delivery;
    const first = await settles(delivery);
    const other = oneOf([
      { amount: (Math.round(amount * 100) + 1) / 100 },
      { fail_step: 'courier' as const },
      { delay_ms: { ...delay_ms, vendor: 4 } },
    ]);
    const conflict = refusal(409, 'order_conflict', delivery.order_id);
    check(await send({ ...delivery, ...other }), conflict);
    expectSame(await send(delivery), first);
  },
  // Two of the same id at once: one of them is first.
  async () => {
    const one = order();
    const other: Delivery = { ...one, amount: 12_345.67, fail_step: 'payment' };
    const [a, b] = await Promise.all([send(one), send(other)]);
    const [winner, loser] = a.status === 409 ? [b, a] : [a, b];
    check(winner, outcomeOf(winner === a ? one : other));
    check(loser, refusal(409, 'order_conflict', one.order_id));
  },
];

test(`${requests} requests are answered as foretold, with seed ${seed}`, async () => {
  log.length = 0;
  const caller = async (): Promise<void> => {
    while (sent < requests) await oneOf(scenarios)();
  };
  await Promise.all(Array.from({ length: callers }, caller));
  expect(log.length).toBe(sent);
  // Nothing else: no payload, and no answer that no client got.
  expect(log.toSorted()).toEqual(foretold.toSorted());
}, 60_000);

test('a client that goes has its order canceled, and its couriers come back', async () => {
  const delay_ms = { payment: forever, vendor: forever, courier: forever };
  const gone = Array.from({ length: 8 }, (_, at) =>
    send({ order_id: `gone-${at}`, amount: 1, delay_ms }, 'POST', AbortSignal.timeout(200)),
  );
  for (const { status } of await Promise.allSettled(gone)) expect(status).toBe('rejected');
  const lines = gone.map((_, at) => `408 canceled "gone-${at}"`);
  await vi.waitFor(() => expect(log).toEqual(expect.arrayContaining(lines)));
  await settles(order());
  check(await send({ order_id: 'gone-0', amount: 1, delay_ms }), {
    ...refusal(408, 'canceled', 'gone-0'),
    steps: [['canceled'], ['canceled'], ['canceled', 'skipped']],
  });
});
