import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { afterEach, expect, it, vi } from 'vitest';
import { draining } from '../../src/server/listening/server-draining.ts';
import { range } from '../kit/helpers.ts';
import { appOf } from './helpers.ts';

it('a stream of events that begins when the server is closing ends at once', async () => {
  const processor = new OrderProcessor();
  const app = createOrderApp(processor);
  draining(processor).abort();
  const response = await app.request('/events');
  expect(await response.text()).toBe('retry: 1000\n\n');
});

afterEach(() => {
  vi.useRealTimers();
});

async function textOf(response: Response, part: string): Promise<string> {
  let text = '';
  for await (const chunk of response.body ?? []) {
    text += new TextDecoder().decode(chunk);
    if (text.includes(part)) break;
  }
  return text;
}

it('a reader of one user’s events is not dropped because of other users’ events', async () => {
  const { app, processor } = appOf({}, { events: { buffer: 10 } });
  const response = await app.request('/events?userId=u-1');
  await processor.submitMany(range(100).map(() => ({ userId: 'u-2', amount: 1 })));
  await processor.submit({ id: 'mine', userId: 'u-1', amount: 1 });
  const text = await textOf(response, 'event: completed');
  expect(text).toContain('"orderId":"mine"');
  expect(text).not.toContain('dropped');
});

it('and comes back with the id of the last heartbeat, though others’ events have gone by', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const { app, processor } = appOf({}, { events: { buffer: 10 } });
  const response = await app.request('/events?userId=u-1');
  await processor.submitMany(range(100).map(() => ({ userId: 'u-2', amount: 1 })));
  vi.advanceTimersByTime(15_000);
  const [, id = ''] = /^id: (\S+)$/m.exec(await textOf(response, 'id: ')) ?? [];
  const headers = { 'last-event-id': id };
  const again = await app.request('/events?userId=u-1', { headers });
  await processor.submit({ userId: 'u-1', amount: 1 });
  expect(await textOf(again, 'event: completed')).not.toContain('missed');
});
