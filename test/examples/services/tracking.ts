import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Answer,
  assertProblem,
  assertRetryAfter,
  checkUsualPort,
  Service,
} from './started-service.ts';

const name = 'tracking-service';
const statuses = ['pending', 'processing', 'completed'];

/** The times of an order so far, in their order, and nothing that does not belong there. */
function assertOrder(answer: Pick<Answer, 'body'>, status: string, fields: object): void {
  const times = ['created_at', 'started_at', 'settled_at'].slice(0, 1 + statuses.indexOf(status));
  const { body } = answer;
  const own = Object.fromEntries(times.map((time) => [time, body[time]]));
  const values = times.map((time) => Date.parse(body[time]));
  assert.deepEqual(body, { items: [], status, ...own, ...fields });
  assert.ok(values.every((value, at) => value >= (values[at - 1] ?? 0)));
}

/** Asks until an order is completed; gives the statuses that it has had. */
async function follow(service: Service, id: string): Promise<string[]> {
  const seen: string[] = [];
  while (seen.at(-1) !== 'completed') {
    const { status, body } = await service.get(`/orders/${id}`);
    assert.equal(status, 200);
    if (seen.at(-1) !== body.status) seen.push(body.status);
    assert.ok(statuses.includes(body.status) && seen.length <= 3, seen.join(', '));
    await sleep(20);
  }
  return seen;
}

async function checkTracking(service: Service): Promise<void> {
  const first = { id: 'o-1', customer: 'Ada', amount: 99.99, items: ['tea', 'cup'] };
  const second = { id: 'o-2', customer: 'Ada', amount: 100.5 };
  const answer = await service.post('/orders', first);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.get('location'), '/orders/o-1');
  assertOrder(answer, 'pending', first);
  await service.post('/orders', second);
  // One after the other: the second one waits until the first is done.
  const ways = await Promise.all([follow(service, 'o-1'), follow(service, 'o-2')]);
  assert.deepEqual(ways[0].slice(-2), ['processing', 'completed']);
  assert.deepEqual(ways[1], statuses);
  assertOrder(await service.get('/orders/o-1'), 'completed', first);
  assertOrder(await service.get('/orders/o-2'), 'completed', second);

  const again = await service.post('/orders', first);
  assert.equal(again.status, 201);
  assertOrder(again, 'completed', first);
  assertProblem(await service.post('/orders', { ...first, amount: 99.98 }), 409, 'order_conflict');
  const { body } = await service.post('/orders', { customer: 'Ben', amount: 1 });
  assert.deepEqual((await follow(service, body.id)).at(-1), 'completed');
}

async function checkLists(service: Service): Promise<void> {
  const idsOf = async (query: string): Promise<unknown> => {
    const { status, body } = await service.get(`/orders?${query}`);
    assert.equal(status, 200);
    return body.orders.map(({ id }: { id: string }) => id);
  };
  assert.deepEqual(await idsOf('customer=Ada'), ['o-2', 'o-1']);
  assert.deepEqual(await idsOf('customer=Ada&status=completed&limit=1'), ['o-2']);
  assert.deepEqual(await idsOf('status=failed'), []);
  const { body } = await service.get('/orders?customer=Ada&limit=1');
  assert.deepEqual(await idsOf(`customer=Ada&limit=1&cursor=${body.cursor}`), ['o-1']);
  for (const query of ['status=done', 'limit=0', 'limit=many', 'cursor=none', 'sort=id']) {
    assertProblem(await service.get(`/orders?${query}`), 400, 'bad_request');
  }
}

async function checkRefusals(service: Service): Promise<void> {
  const fine = { id: 'never', customer: 'Ada', amount: 1 };
  const wrong = [
    { customer: undefined },
    { customer: '' },
    { amount: undefined },
    { amount: 0 },
    { amount: -1 },
    { amount: 99.999 },
    { amount: '1' },
    { id: 'a/b' },
    { id: '' },
    { items: 'tea' },
    { status: 'completed' },
  ];
  for (const fields of wrong) {
    assertProblem(await service.post('/orders', { ...fine, ...fields }), 400, 'bad_request');
  }
  assertProblem(await service.post('/orders', '{'), 400, 'bad_request');
  assertProblem(await service.get('/orders/never'), 404, 'not_found');
  assertProblem(await service.send('DELETE', '/orders/o-1'), 405, 'method_not_allowed');
  assertProblem(await service.get('/'), 404, 'not_found');
}

async function checkHealth(service: Service, status: number, fields: object): Promise<void> {
  let answer = await service.get('/health');
  // Right after its start it takes up what the file has.
  while (answer.body.storage === 'recovering') answer = await service.get('/health');
  const word = status === 200 ? 'healthy' : 'unhealthy';
  assert.deepEqual(answer.body, { status: word, storage: 'ready', ...fields });
  assert.equal(answer.status, status);
  assertRetryAfter(answer);
}

/** Hands in orders of as many customers at once; gives the ids of those that were taken. */
async function rush(service: Service, count: number): Promise<string[]> {
  const answers = await Promise.all(
    Array.from({ length: count }, (_, at) =>
      service.post('/orders', { id: `rush-${at}`, customer: `customer-${at}`, amount: 0.01 }),
    ),
  );
  for (const answer of answers) {
    if (answer.status !== 201) assertProblem(answer, 503, 'queue_full');
  }
  return answers.filter(({ status }) => status === 201).map(({ body }) => body.id);
}

export async function checkTrackingService(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'tracking-'));
  const FILE = join(folder, 'orders.db');
  let taken: string[] = [];
  try {
    await checkUsualPort(name, { FILE });
    await Service.use(name, { FILE }, async (service) => {
      await checkHealth(service, 200, { queue_length: 0, active_workers: 0 });
      await checkTracking(service);
      await checkLists(service);
      await checkRefusals(service);
    });
    const before: Answer[] = [];
    // Five workers and a queue of a hundred; then the process is killed.
    await Service.use(name, { FILE, WORK_MS: '1000' }, async (service) => {
      before.push(await service.get('/orders/o-1'));
      taken = await rush(service, 120);
      assert.equal(taken.length, 105);
      await checkHealth(service, 503, { queue_length: 100, active_workers: 5 });
      await service.kill();
    });
    // The next life takes them up, and ends in good order when all are done.
    await Service.use(name, { FILE, WORK_MS: '50' }, async (service) => {
      await service.line(/^Took up 105 orders$/);
      before.push(await service.get('/orders/o-1'));
      await service.end();
    });
    await Service.use(name, { FILE }, async (service) => {
      await service.line(/^Took up 0 orders$/);
      const answers = await Promise.all(taken.map((id) => service.get(`/orders/${id}`)));
      for (const { body } of answers) assert.equal(body.status, 'completed');
      const { text } = await service.get('/orders/o-1');
      for (const answer of before) assert.equal(answer.text, text);
      await checkHealth(service, 200, { queue_length: 0, active_workers: 0 });
    });
  } finally {
    await rm(folder, { recursive: true });
  }
}
