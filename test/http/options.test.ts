import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { expect, it, vi } from 'vitest';
import { callsOf, order } from './helpers.ts';

it.each([
  [{ authenticated: true }, 'Expected the options of createOrderApp to be among'],
  [{ authenticate: 'Bearer' }, 'Expected `authenticate` to be a function'],
  [{ onError: 1 }, 'Expected `onError` to be a function'],
  [{ metrics: 'up 1' }, 'Expected `metrics.metrics` to be a function'],
  [{ metrics: { metrics: () => '' } }, 'Expected `metrics.contentType` to be some text'],
  [{ statuses: { queue_full: 200 } }, 'Expected `statuses.queue_full` to be an integer from 400'],
  [{ statuses: { own: '503' } }, 'Expected `statuses.own` to be an integer from 400'],
  [{ statuses: null }, 'Expected `statuses options` to be an object'],
  [{ bodyLimitBytes: 0 }, 'Expected `bodyLimitBytes` to be an integer from 1 up, got `0`'],
  [{ readTimeoutMs: '1' }, 'Expected `readTimeoutMs` to be an integer from 1'],
  [{ acceptTimeoutMs: -1 }, 'Expected `acceptTimeoutMs` to be an integer from 1'],
  [{ maxWaitMs: 2 ** 31 }, 'Expected `maxWaitMs` to be an integer from 1 to 2147483647'],
  [{ events: { buffer: 0 } }, 'Expected `events.buffer` to be an integer from 1 up'],
  [{ events: { readers: 1.5 } }, 'Expected `events.readers` to be an integer from 1 up'],
  [
    { events: { size: 1 } },
    'Expected the options of events to be among buffer, bufferBytes, readers',
  ],
  [{ openapi: { title: '' } }, 'Expected `openapi.title` to be some text'],
  [{ openapi: { version: 1 } }, 'Expected `openapi.version` to be some text'],
  [{ openapi: { description: '' } }, 'Expected `openapi.description` to be some text'],
  [{ openapi: { license: {} } }, 'Expected `openapi.license.name` to be some text'],
  [{ openapi: { contact: 'us' } }, 'Expected `openapi.contact options` to be an object'],
  [{ openapi: { servers: '/api' } }, 'Expected `openapi.servers` to be a list'],
  [{ openapi: { servers: [{}] } }, 'Expected `openapi.servers[0].url` to be some text'],
  [{ openapi: { name: 'x' } }, 'Expected the options of openapi to be among'],
  [{ cors: true }, 'Expected `cors options` to be an object'],
  [null, 'Expected `createOrderApp options` to be an object'],
])('refuses %j', (options, message) => {
  const make = (): unknown => createOrderApp(new OrderProcessor(), options as never);
  expect(make).toThrow(message);
  expect(make).toThrow(/^Expected /);
});

it.each([undefined, null, {}, 'processor', Promise.resolve(new OrderProcessor())])(
  'refuses %j for a processor',
  (processor) => {
    expect(() => createOrderApp(processor as never)).toThrow(/^Expected `processor/);
  },
);

it('an option that is undefined is one that is not there', async () => {
  const names = ['authenticate', 'metrics', 'statuses', 'bodyLimitBytes', 'readTimeoutMs'];
  names.push('acceptTimeoutMs', 'maxWaitMs', 'events', 'cors', 'openapi', 'onError');
  const options = Object.fromEntries(names.map((name) => [name, undefined]));
  const { post } = callsOf(createOrderApp(new OrderProcessor(), options));
  expect((await post(order)).status).toBe(202);
});

it.each([
  ['at once', (): never => fail()],
  ['while its acceptance is on its way to the client', () => failAfter(1)],
  ['later', () => failAfter(5)],
])(
  'console.error is called with internal errors if there is no `onError`, when it fails %s',
  async (_, run) => {
    const log = vi.spyOn(console, 'error').mockImplementation(() => {});
    const processor = new OrderProcessor({ steps: [{ name: 'work', run }] });
    const { post } = callsOf(createOrderApp(processor));
    expect((await post(order, { prefer: 'wait=5' })).status).toBe(422);
    expect(log.mock.calls).toMatchObject([[{ code: 'internal', cause: bug }]]);
    log.mockRestore();
  },
);

const bug = new Error('A bug');

/** Holds the event loop, so that a caller is notified of an acceptance a turn later. */
function fail(): never {
  for (const end = performance.now() + 10; performance.now() < end; );
  throw bug;
}

async function failAfter(turns: number): Promise<never> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(setImmediate);
  return fail();
}
