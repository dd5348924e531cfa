import { expect, it } from 'vitest';
import { appOf } from './helpers.ts';

it('asking for the head of the events takes no reader’s place', async () => {
  const { app } = appOf({}, { events: { readers: 1 } });
  const head = await app.request('/events', { method: 'HEAD' });
  expect(head.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
  const events = await app.request('/events');
  expect(events.status).toBe(200);
  await events.body?.cancel();
});
