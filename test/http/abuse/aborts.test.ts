/** Clients that go in the middle: what they had accepted goes on, and nothing waits for them any longer. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { Job } from '../../../src/core/lifecycle/job.ts';
import { OutcomeWait } from '../../../src/http/routes/outcome-wait.ts';
import { range } from '../../kit/helpers.ts';
import { Client } from './client.ts';
import { type Abused, abused, head, orderRequest, until } from './server.ts';

let target: Abused;
afterEach(async () => {
  vi.restoreAllMocks();
  target.processor.resume();
  await target.processor.onIdle();
  expect(target.processor.stats()).toMatchObject({ unsettled: 0, waitingCallers: 0 });
  await target.server.close();
  expect(target.internal).toEqual([]);
});

describe('a client that goes', () => {
  it('in the head, or in the body, has ordered nothing', async () => {
    target = await abused();
    const whole = orderRequest({ id: 'o-1', userId: 'u-1', amount: 7 });
    for (const length of range(whole.length)) {
      const client = await Client.connect(target.server.port);
      client.send(whole.slice(0, length));
      if (length % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      client.leave();
    }
    expect((await fetch(`${target.server.url}/livez`)).status).toBe(200);
    expect(target.processor.stats()).toMatchObject({ accepted: 0, refused: 0 });
  });

  it('while its order waits for its end gives back the waiting, and the order goes on (invariant 6)', async () => {
    target = await abused({}, { maxWaitMs: 60_000 });
    const { processor, server } = target;
    const waits = vi.spyOn(OutcomeWait.prototype, 'within');
    const followers = vi.spyOn(Job.prototype, 'unfollow');
    processor.pause();
    const clients = await Promise.all(range(50).map(() => Client.connect(server.port)));
    for (const [n, client] of clients.entries()) {
      client.send(orderRequest({ id: `o-${n}`, userId: 'u-1', amount: 1 }, { prefer: 'wait=60' }));
    }
    await until(() => waits.mock.calls.length === 50);
    for (const client of clients) client.leave();
    const ends = await Promise.all(waits.mock.results.map(({ value }) => value));
    expect(ends).toEqual(range(50).map(() => undefined));
    await until(() => followers.mock.calls.length === 50);
    processor.resume();
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(50);
  });

  it('while its order waits for room has ordered nothing', async () => {
    target = await abused({ capacity: 1, overflow: 'wait' }, { acceptTimeoutMs: 60_000 });
    const { processor, server } = target;
    processor.pause();
    await processor.enqueue({ id: 'first', userId: 'u-1', amount: 1 });
    const clients = await Promise.all(range(20).map(() => Client.connect(server.port)));
    for (const [n, client] of clients.entries()) {
      client.send(orderRequest({ id: `o-${n}`, userId: 'u-1', amount: 1 }));
    }
    await until(() => processor.stats().waitingCallers === 20);
    for (const client of clients) client.leave();
    await until(() => processor.stats().waitingCallers === 0);
    processor.resume();
    await processor.onIdle();
    expect(await processor.balance('u-1')).toBe(1);
  });

  it('in the middle of a batch has what was accepted by then, and the rest is not read', async () => {
    target = await abused({ capacity: 5 });
    const { processor, server } = target;
    const streamed = vi.spyOn(processor, 'submitStream');
    processor.pause();
    const client = await Client.connect(server.port);
    client.send(
      head('POST /orders/batch', {
        'content-type': 'application/x-ndjson',
        'transfer-encoding': 'chunked',
      }),
    );
    const lines = range(200).map((n) => JSON.stringify({ id: `o-${n}`, userId: 'u-1', amount: 1 }));
    const text = `${lines.join('\n')}\n`;
    client.send(`${text.length.toString(16)}\r\n${text}\r\n`);
    await until(() => processor.stats().waitingCallers === 1);
    const outcomes = streamed.mock.results[0]?.value as AsyncIterableIterator<unknown>;
    const ended = vi.spyOn(outcomes, 'return');
    client.leave();
    await until(() => ended.mock.calls.length === 1);
    processor.resume();
    await processor.onIdle();
    // The one that waited for room was on its way already.
    expect(processor.stats().accepted).toBe(6);
    expect(await processor.balance('u-1')).toBe(6);
  });

  it('while it reads events leaves its place to another', async () => {
    target = await abused({}, { events: { readers: 1 } });
    for (const _ of range(20)) {
      const client = await Client.connect(target.server.port);
      client.send(head('GET /events'));
      await until(() => client.text.includes('retry:'));
      client.leave();
      await until(async () => {
        const { status, body } = await fetch(`${target.server.url}/events`);
        await body?.cancel();
        return status === 200;
      });
    }
  });

  it('leaves no timer behind', async () => {
    const set = vi.spyOn(globalThis, 'setInterval');
    const cleared = vi.spyOn(globalThis, 'clearInterval');
    target = await abused();
    const clients = await Promise.all(range(10).map(() => Client.connect(target.server.port)));
    for (const client of clients) {
      client.send(
        head('POST /orders', { 'content-type': 'application/json', 'content-length': 9 }),
      );
    }
    const own = (): unknown[] =>
      set.mock.results.map(({ value }) => value).filter((_, at) => set.mock.calls[at]?.[1] === 250);
    await until(() => own().length > 0);
    for (const client of clients) client.leave();
    await until(() => own().every((timer) => cleared.mock.calls.some(([each]) => each === timer)));
  });
});

describe('a processor that is gone', () => {
  it('is reported, and no request waits', async () => {
    target = await abused();
    const { processor, server } = target;
    await processor.shutdown();
    const client = await Client.connect(server.port);
    client.send(orderRequest({ userId: 'u-1', amount: 1 }, { prefer: 'wait=5' }));
    const [answer] = await client.got(1);
    expect(answer?.status).toBe(503);
    expect(answer?.headers.get('retry-after')).toBe('1');
    client.leave();
  });
});
