/** WatchOrders: the life cycle as it happens, to readers at their own pace, in bounded memory (invariant 6). */
import { connect } from 'node:http2';
import { refuse } from 'order-processor';
import { Notice } from 'order-processor/grpc';
import { describe, expect, it, vi } from 'vitest';
import { heapUsed, range } from '../kit/helpers.ts';
import { type Json, refusalOf, until, useServers } from './helpers.ts';
import { cases, counted, direct, idsOf, listened, reader } from './readers.ts';

const start = useServers();
describe('the events', () => {
  it('are all of the life cycle, with what they are about and without payloads', async () => {
    const running = await start({
      processor: {
        minBalance: 0,
        rules: [({ amount }) => (amount === 13 ? refuse('unlucky', 'Not that') : undefined)],
        steps: [
          {
            name: 'payment',
            retry: { attempts: 2, delayMs: 1 },
            run: ({ id }, { attempt }) => {
              if (id === 'o-2' && attempt === 1)
                throw Object.assign(new Error('?'), { code: 'busy' });
            },
          },
        ],
      },
    });
    const { client, processor } = running;
    counted(processor);
    const { events, leave, ended } = await reader(client, {}, processor);
    await processor.submit({ id: 'o-1', userId: 'u-1', amount: 5, payload: { card: '4111' } });
    await processor.submit({ id: 'o-2', userId: 'u-1', amount: 5 });
    await processor.submit({ id: 'o-3', userId: 'u-1', amount: 13 }).catch(() => {});
    await processor.submit({ id: 'o-4', userId: 'u-1', amount: -99 }).catch(() => {});
    processor.pause();
    const canceled = processor.submit({ id: 'o-5', userId: 'u-1', amount: 1 }).catch(() => {});
    await processor.cancel('o-5');
    processor.resume();
    await canceled;
    await until(() => cases(events).includes('canceled'));
    leave();
    expect(await ended).toBe('Canceled');
    expect(cases(events).filter((name) => name !== 'IDLE')).toEqual([
      ...['accepted', 'started', 'stepped', 'completed'],
      ...['accepted', 'started', 'retried', 'stepped', 'completed'],
      'refused',
      ...['accepted', 'started', 'failed'],
      ...['accepted', 'canceled'],
    ]);
    const of = (name: string): Json => events.find(({ event }) => event.case === name).event.value;
    expect(of('completed')).toMatchObject({ orderId: 'o-1', balance: 5n });
    expect(events.filter(({ event }) => event.value.payload !== undefined)).toEqual([]);
    expect(of('retried')).toMatchObject({
      orderId: 'o-2',
      step: 'payment',
      attempt: 1,
      code: 'busy',
    });
    expect(of('stepped')).toMatchObject({ orderId: 'o-1', step: { name: 'payment', attempts: 1 } });
    expect(of('refused')).toMatchObject({ code: 'unlucky', orderId: 'o-3' });
    expect(of('failed')).toMatchObject({ code: 'insufficient_funds', orderId: 'o-4' });
    expect(of('canceled')).toMatchObject({ code: 'canceled', orderId: 'o-5' });
    expect(new Set(events.map(({ id }) => id)).size).toBe(events.length);
  });

  it("of one user are that user's alone", async () => {
    const { client, processor } = direct();
    const { events } = await reader(client, { userId: 'u-1' }, processor);
    for (const id of range(20)) {
      await processor.submit({ id: `o-${id}`, userId: `u-${id % 3}`, amount: 1 });
    }
    await until(() => cases(events).filter((name) => name === 'completed').length === 7);
    expect(new Set(events.map(({ event }) => event.value.userId))).toEqual(new Set(['u-1']));
  });

  it('reach a client of another make', async () => {
    const { grpc, processor } = await start();
    const call = grpc.watchOrders({});
    call.on('error', () => {});
    const first = new Promise<Json>((resolve) => call.once('data', resolve));
    const feeding = setInterval(() => processor.submit({ userId: 'u-1', amount: 1 }), 5);
    expect(await first).toMatchObject({ id: expect.stringMatching(/^[0-9a-f]{8}-\d+$/) });
    clearInterval(feeding);
    call.cancel();
  });
});

describe('last_event_id', () => {
  it('goes on after it, without loss or repetition', async () => {
    const { client, processor } = direct();
    const seen: Json[] = [];
    let lastEventId: string | undefined;
    const total = 60;
    let submitted = 0;
    while (seen.length < total * 3) {
      const request = lastEventId === undefined ? {} : { lastEventId };
      const { events, leave, ended } = await reader(client, request, processor);
      for (let i = 0; i < 10 && submitted < total; i += 1, submitted += 1) {
        await processor.submit({ id: `o-${submitted}`, userId: 'u-1', amount: 1 });
      }
      await until(() => events.length > 4);
      leave();
      await ended;
      for (let i = 0; i < 5 && submitted < total; i += 1, submitted += 1) {
        await processor.submit({ id: `o-${submitted}`, userId: 'u-1', amount: 1 });
      }
      seen.push(...events.filter(({ event }) => event.case !== 'notice'));
      lastEventId = events.at(-1)?.id;
    }
    const completed = seen.filter(({ event }) => event.case === 'completed');
    expect(idsOf(completed)).toEqual(range(total).map((id) => `o-${id}`));
  });

  it.each([
    ['of another life', '00000000-1'],
    ['that is none', 'yesterday'],
    ['of the future', undefined],
    ['that is empty', ''],
  ])('%s: events are missed', async (_, id) => {
    const { client, processor } = direct();
    const first = await reader(client, {}, processor);
    await processor.submit({ userId: 'u-1', amount: 1 });
    await until(() => first.events.length > 2);
    const lastEventId = id ?? first.events[0].id.replace(/-\d+$/, '-999999');
    const { events } = await reader(client, { lastEventId });
    await until(() => events.length > 0);
    expect(cases(events)).toEqual(['MISSED']);
    expect(events[0].id).toBe('');
    await processor.submit({ id: 'o-next', userId: 'u-1', amount: 1 });
    await until(() => events.length > 3);
    expect(cases(events).slice(1, 4)).toEqual(['accepted', 'started', 'completed']);
  });

  it('of an event that the buffer has no more: events are missed', async () => {
    const { client, processor } = direct({ buffer: 5 });
    const first = await reader(client, {}, processor);
    await processor.submit({ userId: 'u-1', amount: 1 });
    await until(() => first.events.length > 0);
    for (const _ of range(5)) await processor.submit({ userId: 'u-1', amount: 1 });
    const { events } = await reader(client, { lastEventId: first.events[0].id });
    await until(() => events.length > 0);
    expect(cases(events)).toEqual(['MISSED']);
  });
});

describe('a reader that is too slow', () => {
  it('is dropped, and the memory stays bounded', async () => {
    const { processor, server } = await start({ routes: { events: { buffer: 500 } } });
    counted(processor);
    const session = connect(server.url);
    session.on('error', () => {});
    const stream = session.request({
      ':method': 'POST',
      ':path': '/orderprocessor.v1.OrderService/WatchOrders',
      'content-type': 'application/grpc',
      te: 'trailers',
    });
    stream.on('error', () => {});
    stream.end(Buffer.alloc(5));
    stream.pause();
    await listened(processor);
    const submit = async (count: number): Promise<void> => {
      for (const _ of range(count)) await processor.submit({ userId: 'u-1', amount: 1 });
    };
    await submit(8_000);
    const before = heapUsed();
    await submit(12_000);
    // The core remembers outcomes too, at some hundred bytes each.
    expect(heapUsed() - before).toBeLessThan(16_000_000);
    let bytes = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
    });
    stream.resume();
    await new Promise((resolve) => stream.once('end', resolve));
    // The last message: a notice that nothing more comes.
    expect(bytes.subarray(-7)).toEqual(Buffer.from([0, 0, 0, 0, 2, 0x60, Notice.DROPPED]));
    expect(bytes.length).toBeLessThan(1_000_000);
    session.destroy();
  });

  it('delays no other reader', async () => {
    const { client, processor } = direct({ buffer: 50 });
    const slow = client.watchOrders({})[Symbol.asyncIterator]();
    const first = slow.next();
    const quick = await reader(client, {}, processor);
    for (const id of range(50)) {
      await processor.submit({ id: `o-${id}`, userId: 'u-1', amount: 1 });
      await until(() => idsOf(quick.events).filter((each) => each === `o-${id}`).length === 3);
    }
    await first;
    const rest: Json[] = [];
    for (let next = await slow.next(); !next.done; next = await slow.next()) rest.push(next.value);
    expect(cases(rest).at(-1)).toBe('DROPPED');
    expect(rest.length).toBeLessThan(50);
  });
});

describe('readers', () => {
  it('are refused when there are too many, and come in when one has left', async () => {
    const { client, grpc, processor } = await start({ routes: { events: { readers: 2 } } });
    counted(processor);
    const readers = [await reader(client, {}, processor), await reader(client, {}, processor)];
    await new Promise((resolve) => setTimeout(resolve, 20));
    const refusal = await refusalOf(
      new Promise((_resolve, reject) => {
        const call = grpc.watchOrders({});
        call.on('error', reject);
        call.on('data', () => {});
      }),
    );
    expect([refusal.code, refusal.details]).toEqual([14, 'There are too many readers']);
    readers[0]?.leave();
    await readers[0]?.ended;
    const next = await reader(client);
    const feeding = setInterval(() => processor.submit({ userId: 'u-1', amount: 1 }), 5);
    await until(() => next.events.length > 0);
    clearInterval(feeding);
  });

  it('get to the end of what has happened when the server closes, which does not wait', async () => {
    const { client, processor, server } = await start({ server: { shutdownTimeoutMs: 60_000 } });
    counted(processor);
    const { events, ended } = await reader(client, {}, processor);
    await processor.submit({ id: 'o-1', userId: 'u-1', amount: 1 });
    await server.close();
    expect(await ended).toBe('Ok');
    expect(cases(events)).toContain('completed');
  });

  it('cost nothing when none has been there for a minute', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'clearTimeout', 'clearInterval'] });
    try {
      const { client, processor, counter } = direct();
      expect(counter.count).toBe(0);
      const controller = new AbortController();
      const events = client.watchOrders({}, { signal: controller.signal })[Symbol.asyncIterator]();
      const first = events.next();
      while (counter.count === 0) await Promise.resolve();
      const listeners = counter.count;
      await processor.submit({ userId: 'u-1', amount: 1 });
      const { id: lastEventId } = (await first).value as Json;
      controller.abort();
      await events.next().catch(() => {});
      await vi.advanceTimersByTimeAsync(59_000);
      expect(counter.count).toBe(listeners);
      await vi.advanceTimersByTimeAsync(2_000);
      expect(counter.count).toBe(0);
      const again = client.watchOrders({ lastEventId })[Symbol.asyncIterator]();
      expect(cases([(await again.next()).value])).toEqual(['MISSED']);
      expect(counter.count).toBe(listeners);
      await again.return?.();
    } finally {
      vi.useRealTimers();
    }
  });
});
