import assert from 'node:assert/strict';
import { type Answer, assertMs, checkUsualPort, Service } from './started-service.ts';

type Step = readonly [status: string, ms: number, detail?: string];

const names = ['payment', 'vendor', 'courier'];

/** The steps without their durations, which must be about those expected. */
function assertSteps({ body, text }: Answer, steps: readonly Step[]): void {
  assert.equal(body.steps.length, steps.length, text);
  const expected = steps.map(([status, ms, detail], at) => {
    const { duration_ms: actual } = body.steps[at];
    assert.ok(Number.isInteger(actual), text);
    assertMs(actual, ms);
    const step = { name: names[at], status, duration_ms: actual };
    return detail === undefined ? step : { ...step, detail };
  });
  assert.deepEqual(body.steps, expected);
}

function assertOk(answer: Answer, orderId: string, steps: readonly Step[]): void {
  assert.equal(answer.status, 200, answer.text);
  assertSteps(answer, steps);
  assert.deepEqual(answer.body, { status: 'ok', order_id: orderId, steps: answer.body.steps });
}

function assertFailed(
  answer: Answer,
  status: number,
  kind: string,
  orderId: string,
  steps: readonly Step[],
): void {
  assert.equal(answer.status, status, answer.text);
  assertSteps(answer, steps);
  assert.deepEqual(answer.body, {
    status: 'error',
    order_id: orderId,
    steps: answer.body.steps,
    error: { kind, message: 'order failed' },
  });
}

function assertRefused(
  answer: Answer,
  status: number,
  kind: string,
  orderId: unknown = null,
): void {
  assert.equal(answer.status, status, answer.text);
  assert.equal(answer.headers.get('content-type'), 'application/json');
  const { message } = answer.body.error;
  assert.ok(typeof message === 'string' && message !== '' && message !== 'order failed');
  const error = { kind, message };
  assert.deepEqual(answer.body, { status: 'error', order_id: orderId, steps: [], error });
}

const fine: readonly Step[] = [
  ['ok', 150],
  ['ok', 200],
  ['ok', 100],
];

async function checkOrders(service: Service): Promise<void> {
  const first = await service.post('/order', '{"order_id":"o-1","amount":1200}');
  assertOk(first, 'o-1', fine);
  assertMs(first.ms, 200);

  const declined = await service.post(
    '/order',
    '{"order_id":"o-2","amount":10,"fail_step":"payment","delay_ms":{"vendor":800,"courier":800}}',
  );
  assertMs(declined.ms, 150);
  assertFailed(declined, 400, 'payment_declined', 'o-2', [
    ['error', 150, 'payment_declined'],
    ['canceled', 150],
    ['canceled', 150],
  ]);

  for (const [index, amount] of [0, -5].entries()) {
    const order_id = `o-3-${index}`;
    const answer = await service.post('/order', { order_id, amount });
    assertFailed(answer, 400, 'payment_declined', order_id, [
      ['error', 150, 'payment_declined'],
      ['canceled', 150],
      ['ok', 100],
    ]);
  }
  const vendor = { order_id: 'o-4', amount: 10, fail_step: 'vendor' };
  assertFailed(await service.post('/order', vendor), 503, 'vendor_unavailable', 'o-4', [
    ['ok', 150],
    ['error', 200, 'vendor_unavailable'],
    ['ok', 100],
  ]);
  const courier = { order_id: 'o-5', amount: 10, fail_step: 'courier' };
  assertFailed(await service.post('/order', courier), 503, 'no_courier', 'o-5', [
    ['canceled', 100],
    ['canceled', 100],
    ['error', 100, 'no_courier'],
  ]);
}

async function checkRepetitions(service: Service): Promise<void> {
  const order = { order_id: 'twice', amount: 99.99 };
  const [first, second] = await Promise.all([
    service.post('/order', order),
    service.post('/order', order),
  ]);
  assertOk(first, 'twice', fine);
  assert.equal(second.text, first.text);
  const late = await service.post('/order', '{"amount":99.990,"order_id":"twice"}');
  assert.equal(late.text, first.text);
  for (const other of [{ amount: 99.98 }, { fail_step: 'vendor' }, { delay_ms: { vendor: 1 } }]) {
    const answer = await service.post('/order', { ...order, ...other });
    assertRefused(answer, 409, 'order_conflict', 'twice');
  }
}

async function checkRefusals(service: Service): Promise<void> {
  const malformed = [
    '',
    '{',
    '{"order_id":"bad","amount":1}{"order_id":"bad","amount":1}',
    '{"order_id":"bad","amount":1} 1',
    '[]',
    'null',
    { amount: 1 },
    { order_id: '', amount: 1 },
    { order_id: 7, amount: 1 },
    { order_id: 'bad', amount: '1' },
    { order_id: 'bad', amount: 0.125 },
    { order_id: 'bad', amount: 1, tip: 1 },
    { order_id: 'bad', amount: 1, fail_step: 'cook' },
    { order_id: 'bad', amount: 1, delay_ms: { cook: 1 } },
    { order_id: 'bad', amount: 1, delay_ms: { vendor: -1 } },
    { order_id: 'bad', amount: 1, delay_ms: { vendor: 0.5 } },
  ];
  for (const body of malformed) {
    assertRefused(await service.post('/order', body), 400, 'bad_request');
  }
  for (const method of ['GET', 'PUT', 'DELETE', 'PATCH']) {
    const answer = await service.send(method, '/order');
    assertRefused(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers.get('allow'), 'POST');
  }
  assertRefused(await service.get('/orders'), 404, 'not_found');
}

/** Twelve couriers that take 200 ms each, five at a time: 600 ms. */
async function checkCouriers(service: Service): Promise<void> {
  const delay_ms = { payment: 0, vendor: 0, courier: 200 };
  const answers = await Promise.all(
    Array.from({ length: 12 }, (_, at) =>
      service.post('/order', { order_id: `rush-${at}`, amount: 1, delay_ms }),
    ),
  );
  for (const { status, text } of answers) assert.equal(status, 200, text);
  const rounds = answers.map(({ ms }) => Math.floor((ms + 10) / 200)).sort();
  assert.deepEqual(rounds, [1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 3, 3]);
}

/** No client is left to read the answer, so the log has to show it. */
async function checkGone(service: Service): Promise<void> {
  const delay_ms = { payment: 5_000, vendor: 5_000, courier: 5_000 };
  const signal = AbortSignal.timeout(100);
  const gone = service.post('/order', { order_id: 'gone', amount: 1, delay_ms }, { signal });
  await assert.rejects(gone, { name: 'TimeoutError' });
  await service.line(/^408 canceled "gone"$/);
}

async function checkTimeout(service: Service): Promise<void> {
  const delay_ms = { payment: 15_000, vendor: 15_000, courier: 15_000 };
  const answer = await service.post('/order', { order_id: 'late', amount: 1, delay_ms });
  assertMs(answer.ms, 10_000);
  assertFailed(answer, 504, 'timeout', 'late', [
    ['canceled', 10_000],
    ['canceled', 10_000],
    ['canceled', 10_000],
  ]);
}

export async function checkDeliveryService(): Promise<void> {
  await checkUsualPort('delivery-service');
  await Service.use('delivery-service', {}, async (service) => {
    const timeout = checkTimeout(service);
    await checkOrders(service);
    await checkRepetitions(service);
    await checkRefusals(service);
    await timeout;
    await checkCouriers(service);
    await checkGone(service);
    assert.ok(service.lines.includes('200 ok "o-1"'));
    assert.ok(!service.lines.some((line) => /delay|1200/.test(line)), 'Payloads are in the log');
  });
  const error = await Service.refusal('delivery-service', { PORT: 'http' });
  assert.equal(error, 'Expected PORT to be an integer from 0 up, got "http"\n');
}
