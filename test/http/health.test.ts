import { serve } from 'order-processor/http';
import { expect, it } from 'vitest';
import { deferred } from '../kit/helpers.ts';
import { type Fate, KeptStorage } from '../kit/kept-storage.ts';
import { SharedDatabase } from '../kit/shared-database.ts';
import { SharedStorage } from '../kit/shared-storage.ts';
import { appOf, bodyOf, gates, order } from './helpers.ts';

const ok = { status: 'ok', reasons: [] };
const unavailable = (reason: string) => ({ status: 'unavailable', reasons: [reason] });

type App = ReturnType<typeof appOf>;

/** What `/health`, `/readyz` and `/livez` say. */
async function probes({ get }: App) {
  const found = [];
  for (const path of ['/health', '/readyz', '/livez']) {
    const response = await get(path);
    const body = JSON.parse(await response.text());
    expect(response.status).toBe(body.status === 'ok' ? 200 : 503);
    expect(response.headers.get('retry-after')).toBe(body.status === 'ok' ? null : '1');
    found.push(body);
  }
  return found;
}

it('all is well at first', async () => {
  expect(await probes(appOf())).toEqual([ok, ok, ok]);
});

it('a processor that has shut down, or is about to, is neither well nor ready', async () => {
  const { step, openAll } = gates();
  const all = appOf({ steps: [step] });
  await all.post(order);
  const closing = all.processor.shutdown();
  expect(await probes(all)).toEqual([unavailable('shut_down'), unavailable('shut_down'), ok]);
  openAll();
  await closing;
  expect(await probes(all)).toEqual([unavailable('shut_down'), unavailable('shut_down'), ok]);
});

it('so is one whose server is closing, which shuts it down when its requests have ended', async () => {
  const { step, open } = gates();
  const all = appOf({ steps: [step] });
  const { processor } = all;
  const server = await serve(all.app, { processor, port: 0, signals: [] });
  const started = new Promise((resolve) => processor.on('started', resolve));
  const response = fetch(`${server.url}/orders`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', prefer: 'wait=30' },
    body: JSON.stringify(order),
  });
  await started;
  const closed = server.close();
  expect(processor.stats().state).toBe('running');
  expect(await probes(all)).toEqual([unavailable('shut_down'), unavailable('shut_down'), ok]);
  open('o-1');
  await bodyOf(await response);
  await closed;
});

it('a full queue is not well, but ready: it says itself when to come again', async () => {
  const { step, openAll } = gates();
  const all = appOf({ capacity: 1, steps: [step] });
  await all.post(order);
  expect(await probes(all)).toEqual([unavailable('queue_full'), ok, ok]);
  openAll();
  await all.processor.onIdle();
  expect(await probes(all)).toEqual([ok, ok, ok]);
});

it('a storage that fails makes it neither, until it works again', async () => {
  const storage = new KeptStorage();
  const all = appOf({ storage });
  all.processor.on('error', () => {});
  await all.processor.ready;
  storage.fate = () => 'rejects';
  const interrupted = new Promise((resolve) => all.processor.on('interrupted', resolve));
  await all.post(order);
  await interrupted;
  const down = unavailable('storage_failed');
  expect(await probes(all)).toEqual([down, down, ok]);
  const restored = new Promise((resolve) => all.processor.on('restored', () => resolve('again')));
  storage.fate = () => 'works';
  await restored;
  expect(await probes(all)).toEqual([ok, ok, ok]);
  await all.processor.shutdown();
});

it('while orders of an earlier process are recovered it is well, but not ready', async () => {
  const storage = new KeptStorage();
  const asked = deferred<Fate>();
  storage.fate = (method) => (method === 'unsettled' ? asked.promise : 'works');
  const all = appOf({ storage });
  expect(await probes(all)).toEqual([ok, unavailable('recovering'), ok]);
  asked.resolve('works');
  await all.processor.ready;
  expect(await probes(all)).toEqual([ok, ok, ok]);
  await all.processor.shutdown();
});

it('/stats gives what the processor gives', async () => {
  const { get, post, processor } = appOf();
  await post(order, { prefer: 'wait=1' });
  const { uptimeMs: _, ...stats } = await bodyOf(await get('/stats'));
  expect(processor.stats()).toMatchObject(stats);
  expect(stats).toMatchObject({ state: 'running', accepted: 1, completed: 1 });
});

it('/metrics gives the text of what it was given', async () => {
  const metrics = { contentType: 'text/plain; version=0.0.4', metrics: async () => 'up 1\n' };
  const { get } = appOf({}, { metrics });
  const response = await get('/metrics');
  expect(response.headers.get('content-type')).toBe('text/plain; version=0.0.4');
  expect(await response.text()).toBe('up 1\n');
  expect((await appOf().get('/metrics')).status).toBe(404);
});

it('metrics that fail are 500, and the answer does not say why', async () => {
  const bug = new Error('A secret');
  const metrics = { contentType: 'text/plain', metrics: () => Promise.reject(bug) };
  const { get, errors } = appOf({}, { metrics });
  const response = await get('/metrics');
  expect([response.status, await response.text()]).toEqual([
    500,
    expect.not.stringContaining('secret'),
  ]);
  expect(errors).toEqual([bug]);
});

it.each(['/health', '/livez', '/readyz', '/openapi.json'])(
  '%s answers with any query',
  async (path) => {
    const { get } = appOf();
    for (const query of ['?t=1', '?t=1&t=2', '?%FF', '?']) {
      expect((await get(`${path}${query}`)).status).toBe(200);
    }
  },
);

it('/stats takes no query', async () => {
  expect((await appOf().get('/stats?a=1')).status).toBe(400);
});

it('one that is none of those that share its storage is neither, and lives (invariant 10)', async () => {
  const database = new SharedDatabase(1);
  const storage = new SharedStorage(database);
  database.give(0, storage);
  const all = appOf({ storage });
  await all.processor.ready;
  expect(await probes(all)).toEqual([ok, ok, ok]);
  database.members.delete(storage);
  const down = unavailable('storage_failed');
  expect(await probes(all)).toEqual([down, down, ok]);
  database.members.add(storage);
  expect(await probes(all)).toEqual([ok, ok, ok]);
});
