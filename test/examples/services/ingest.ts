import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { expressionsOf, namesIn, shownIn } from '../deploy/dashboard.ts';
import { assertProblem, checkUsualPort, Service } from './started-service.ts';

const name = 'ingest-service';
const folder = join(import.meta.dirname, '../../../examples/services', name);

interface Family {
  readonly help: string;
  readonly type: string;
  /** Of the sample without labels. */
  readonly value: number | undefined;
}

async function metricsOf(service: Service): Promise<Map<string, Family>> {
  const { status, headers, text } = await service.get('/metrics');
  assert.equal(status, 200);
  assert.equal(headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8');
  const families = text.matchAll(/^# HELP (\w+) (\S.*)\n# TYPE (\w+) (\w+)\n(?:\1 (\S+)$)?/gm);
  return new Map(
    [...families].map(([, family = '', help = '', typed, type = '', value]) => {
      assert.equal(typed, family);
      return [family, { help, type, value: value === undefined ? undefined : Number(value) }];
    }),
  );
}

async function assertMetrics(
  service: Service,
  processed: number,
  failed: number,
  depth: number,
): Promise<void> {
  const metrics = await metricsOf(service);
  const expected = { orders_processed: processed, orders_failed: failed, queue_depth: depth };
  for (const [family, value] of Object.entries(expected)) {
    const found = metrics.get(family);
    const type = family === 'queue_depth' ? 'gauge' : 'counter';
    assert.deepEqual([found?.type, found?.value], [type, value], family);
  }
}

async function submits(service: Service, body: unknown): Promise<void> {
  const answer = await service.post('/submit', body);
  assert.equal(answer.status, 202, answer.text);
  const { id } = typeof body === 'string' ? JSON.parse(body) : body;
  assert.deepEqual(answer.body, { id, status: 'accepted' });
}

async function checkSubmitting(service: Service): Promise<void> {
  await assertMetrics(service, 0, 0, 0);
  await submits(service, '{"id":"ord-001","value":100.50}');
  await submits(service, '{"value":100.5,"id":"ord-001"}');
  await submits(service, { id: 'ord-002', value: 0.01 });
  await submits(service, { id: 'ord-003', value: 0 });
  await submits(service, { id: 'ord-004', value: -100.5 });
  assertProblem(await service.post('/submit', { id: 'ord-001', value: 1 }), 409, 'order_conflict');
  const wrong = [
    '',
    '{',
    '{"id":"x","value":1}{"id":"y","value":1}',
    { value: 1 },
    { id: '', value: 1 },
    { id: 'x' },
    { id: 'x', value: '1' },
    { id: 'x', value: 100.505 },
    { id: 'x', value: 1, unit: 'EUR' },
  ];
  for (const body of wrong) {
    assertProblem(await service.post('/submit', body), 400, 'bad_request');
  }
  assertProblem(await service.get('/submit'), 405, 'method_not_allowed');
  assertProblem(await service.post('/metrics', ''), 405, 'method_not_allowed');
}

/** The load script: the queue fills until it refuses, and empties again. */
async function checkLoad(service: Service): Promise<void> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    join(folder, 'load.ts'),
    service.url,
  ]);
  const [titles, ...rows] = stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.trim().split(/ +/));
  assert.deepEqual(titles, ['sent', 'accepted', 'refused', 'queue_depth']);
  const figures = rows.map((row) => row.map(Number));
  for (const [sent = 0, accepted = 0, refused = 0, depth = 0] of figures) {
    assert.equal(accepted + refused, sent);
    assert.ok(depth >= 0 && depth <= 100, stdout);
  }
  const column = (at: number): number[] => figures.map((row) => row[at] ?? Number.NaN);
  const depths = column(3);
  // Some orders may have ended between the last refusal and the reading.
  assert.ok(Math.max(...depths) > 90, stdout);
  // It rises before anything is refused, and falls when nothing comes.
  assert.ok((depths[1] ?? 0) > (depths[0] ?? 0) && (depths[0] ?? 0) > 0, stdout);
  const refused = column(2);
  assert.ok(refused[0] === 0 && Math.max(...refused) > 0, stdout);
  assert.ok((depths.at(-1) ?? 100) < 100, stdout);
  const accepted = column(1).reduce((sum, count) => sum + count, 0);
  for (let patience = 100; patience > 0; patience -= 1) {
    const metrics = await metricsOf(service);
    if (metrics.get('orders_processed')?.value === accepted + 2) break;
    await sleep(20);
  }
  await assertMetrics(service, accepted + 2, 2, 0);
}

/** The dashboard of `service` fits here too, as the guide says. */
async function checkDashboard(service: Service): Promise<void> {
  const { text } = await service.get('/metrics');
  const shown = shownIn(text);
  for (const metric of expressionsOf().flatMap(namesIn)) {
    assert.ok(shown.has(metric), `No metric ${metric}`);
  }
}

/** Full: 503 at once, even if the orders that run are slow. */
async function checkFull(service: Service): Promise<void> {
  for (let at = 0; at < 5; at += 1) await submits(service, { id: `ord-${at}`, value: 1 });
  for (let at = 5; at < 8; at += 1) {
    const answer = await service.post('/submit', { id: `ord-${at}`, value: 1 });
    assertProblem(answer, 503, 'queue_full');
    assert.match(answer.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
    assert.ok(answer.ms < 500, `503 after ${answer.ms} ms`);
  }
  await assertMetrics(service, 0, 0, 3);
  await service.end();
  await service.line(/^Closed: \{"completed":5,"failed":0,"canceled":0,.*"timedOut":false,/);
}

export async function checkIngestService(): Promise<void> {
  await checkUsualPort(name);
  await Service.use(name, {}, async (service) => {
    await checkSubmitting(service);
    await checkLoad(service);
    await checkDashboard(service);
  });
  const slow = { WORK_MS: '1000', WORKERS: '2', QUEUE: '3' };
  await Service.use(name, slow, checkFull);
  // What does not end in time is ended.
  await Service.use(name, { WORK_MS: '60000', DEADLINE_MS: '300' }, async (service) => {
    await submits(service, { id: 'ord-001', value: 1 });
    await service.end();
    await service.line(/^Closed: \{"completed":0,"failed":0,"canceled":1,.*"timedOut":true,/);
  });
  const error = await Service.refusal(name, { QUEUE: 'many' });
  assert.match(error, /^Expected QUEUE to be an integer from 0 up, got "many"$/m);
}
