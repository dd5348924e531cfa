import assert from 'node:assert/strict';
import {
  type Answer,
  assertProblem,
  assertRetryAfter,
  checkUsualPort,
  Service,
} from './started-service.ts';

const purchase = {
  amount: 99.99,
  items: ['tea', 'cup'],
  customer: 'Ada',
  address: '1 Market Street',
};

function assertTaken(answer: Answer, expected: object): void {
  assert.equal(answer.status, 201, answer.text);
  const { id, created_at } = answer.body;
  assert.ok(typeof id === 'string' && id !== '');
  const age = Date.now() - Date.parse(created_at);
  assert.ok(/^\d{4}-.*Z$/.test(created_at) && age > -1_000 && age < 60_000, created_at);
  const defaults = { id, priority: 2, status: 'pending', labels: [], created_at };
  assert.deepEqual(answer.body, { ...defaults, ...purchase, ...expected });
}

async function checkTaking(service: Service): Promise<void> {
  const first = await service.post('/orders', { ...purchase, id: 'o-1', notes: 'Ring twice' });
  assertTaken(first, { id: 'o-1', notes: 'Ring twice' });
  const again = await service.post('/orders', { id: 'o-1', ...purchase, notes: 'Ring twice' });
  assert.deepEqual([again.status, again.text], [201, first.text]);
  const other = await service.post('/orders', { ...purchase, id: 'o-1' });
  assertProblem(other, 409, 'order_conflict');

  assertTaken(await service.post('/orders', purchase), {});
  assertTaken(await service.post('/orders', { ...purchase, status: 'pending' }), {});
  const takes = async (fields: object, labels: readonly string[]): Promise<void> =>
    assertTaken(await service.post('/orders', { ...purchase, ...fields }), { ...fields, labels });
  await takes({ notes: '' }, []);
  await takes({ priority: 1 }, ['expedited']);
  await takes({ priority: 3 }, []);
  await takes({ amount: 1_000 }, []);
  await takes({ amount: 1_000.01 }, ['priority_processing']);
  await takes({ amount: 1_000.01, priority: 1 }, ['priority_processing', 'expedited']);
}

async function checkRefusals(service: Service): Promise<void> {
  const wrong = [
    { customer: undefined },
    { customer: '' },
    { address: undefined },
    { address: ' ' },
    { items: undefined },
    { items: [] },
    { items: 'tea' },
    { amount: undefined },
    { amount: 0 },
    { amount: -1 },
    { amount: 0.001 },
    { amount: 99.999 },
    { amount: '99.99' },
    { priority: 0 },
    { priority: 4 },
    { priority: 1.5 },
    { priority: 'high' },
    { status: 'done' },
    { status: 'completed' },
    { id: '' },
    { coupon: 'x' },
  ];
  for (const fields of wrong) {
    const answer = await service.post('/orders', { ...purchase, ...fields });
    assertProblem(answer, 400, 'bad_request');
  }
  assertProblem(await service.post('/orders', '{'), 400, 'bad_request');
  assertProblem(await service.send('PUT', '/orders', purchase), 405, 'method_not_allowed');
  assertProblem(await service.get('/customers'), 404, 'not_found');
}

/** Too dear, or too much of it: taken, then failed and counted. */
async function checkFailures(service: Service): Promise<void> {
  const items = Array.from({ length: 51 }, () => 'tea');
  const fine = { ...purchase, amount: 10_000, items: items.slice(1), id: 'fine' };
  const labels = ['priority_processing'];
  assertTaken(await service.post('/orders', fine), { ...fine, labels });
  const dear = { ...purchase, amount: 10_000.01, id: 'dear' };
  assertTaken(await service.post('/orders', dear), { ...dear, labels });
  const much = { ...purchase, items, id: 'much' };
  assertTaken(await service.post('/orders', much), much);
  await service.line(/^completed "fine"$/);
  await service.line(/^failed "dear" amount_too_large$/);
  await service.line(/^failed "much" too_many_items$/);
}

async function checkStats(service: Service): Promise<void> {
  const { status, body } = await service.get('/stats');
  assert.equal(status, 200);
  const { average_process_time_ms: average, uptime_seconds: uptime } = body;
  assert.deepEqual(body, {
    total_processed: 12,
    success_count: 10,
    error_count: 2,
    average_process_time_ms: average,
    active_workers: 0,
    queue_length: 0,
    uptime_seconds: uptime,
  });
  assert.ok(average >= 95 && average < 300, `The average is ${average} ms`);
  assert.ok(uptime > 0 && uptime < 60, `It is up for ${uptime} s`);
}

async function checkHealth(service: Service, status: number, pool: object): Promise<void> {
  const answer = await service.get('/health');
  const { timestamp } = answer.body;
  assert.ok(Math.abs(Date.now() - Date.parse(timestamp)) < 5_000, timestamp);
  const healthy = status === 200;
  const word = healthy ? 'healthy' : 'unhealthy';
  assert.deepEqual(answer.body, { status: word, timestamp, pool: { healthy, ...pool } });
  assert.equal(answer.status, status);
  assertRetryAfter(answer);
}

/** One worker and room for three: the rest is refused, and the urgent one overtakes. */
async function checkFull(service: Service): Promise<void> {
  const orders = [
    { id: 'first' },
    { id: 'low', priority: 3 },
    { id: 'usual' },
    { id: 'dear', amount: 1_000.01, priority: 3 },
  ];
  for (const order of orders) {
    const { status } = await service.post('/orders', { ...purchase, ...order });
    assert.equal(status, 201);
  }
  for (const id of ['over', 'more']) {
    const refused = await service.post('/orders', { ...purchase, id });
    assertProblem(refused, 503, 'queue_full');
    assert.match(refused.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  }
  await checkHealth(service, 503, { queue_length: 3, workers: 1 });
  const { body } = await service.get('/stats');
  assert.deepEqual([body.active_workers, body.queue_length, body.total_processed], [1, 3, 0]);
  await service.line(/^completed "low"$/);
  await checkHealth(service, 200, { queue_length: 0, workers: 1 });
  const settled = service.lines.filter((line) => line.startsWith('completed'));
  const order = ['first', 'dear', 'usual', 'low'];
  assert.deepEqual(
    settled,
    order.map((id) => `completed "${id}"`),
  );
  assertTaken(await service.post('/orders', { ...purchase, id: 'over' }), { id: 'over' });
}

/** Ten workers and a buffer of a hundred: of 150 orders at once, 110 are taken. */
async function checkDefaults(service: Service): Promise<void> {
  const answers = await Promise.all(
    Array.from({ length: 150 }, () => service.post('/orders', purchase)),
  );
  const taken = answers.filter(({ status }) => status === 201);
  assert.equal(taken.length, 110);
  for (const answer of answers) {
    if (answer.status !== 201) assertProblem(answer, 503, 'queue_full');
  }
  const { body } = await service.get('/stats');
  assert.deepEqual([body.active_workers, body.queue_length], [10, 100]);
  await service.kill();
}

export async function checkShopService(): Promise<void> {
  await checkUsualPort('shop-service');
  await Service.use('shop-service', {}, async (service) => {
    await checkHealth(service, 200, { queue_length: 0, workers: 10 });
    await checkTaking(service);
    await checkRefusals(service);
    await checkFailures(service);
    await checkStats(service);
    assert.ok(!service.lines.some((line) => /Ada|Market|tea/.test(line)), 'Payloads are logged');
  });
  await Service.use('shop-service', { WORK_MS: '500', WORKERS: '1', BUFFER: '3' }, checkFull);
  // None ends while the orders are handed in, however long that takes.
  await Service.use('shop-service', { WORK_MS: '60000' }, checkDefaults);
  for (const [name, value] of Object.entries({ WORKERS: '0', BUFFER: '-1', PORT: 'http' })) {
    const error = await Service.refusal('shop-service', { [name]: value });
    assert.match(error, new RegExp(`^Expected ${name} to be an integer .*, got "${value}"$`, 'm'));
  }
}
