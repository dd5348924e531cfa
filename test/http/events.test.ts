import { OrderError } from 'order-processor';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { range } from '../kit/helpers.ts';
import { appOf, order, problemIn } from './helpers.ts';

interface Told {
  readonly id: string;
  readonly event: string;
  // biome-ignore lint/suspicious/noExplicitAny: what a test looks into is what it asserts.
  readonly data: any;
}

/** A reader of a stream of events, at the test's pace. */
class Stream {
  readonly response: Response;
  readonly #reader;
  /** All that has come, as text. */
  text = '';
  isOver = false;

  constructor(response: Response) {
    this.response = response;
    const body = response.body as ReadableStream<Uint8Array>;
    this.#reader = body.getReader();
  }

  async read(): Promise<void> {
    const { done, value } = await this.#reader.read();
    if (done) this.isOver = true;
    else this.text += new TextDecoder().decode(value);
  }

  async until(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      if (this.isOver) throw new Error(`Over before ${part}`);
      await this.read();
    }
  }

  async end(): Promise<void> {
    while (!this.isOver) await this.read();
  }

  get events(): Told[] {
    return this.text
      .split('\n\n')
      .map((block) => Object.fromEntries(block.split('\n').map((line) => line.split(/: (.*)/s, 2))))
      .filter(({ event }) => event !== undefined)
      .map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) }));
  }

  get names(): string[] {
    return this.events.map(({ event, data }) => `${event} ${data.id ?? data.orderId ?? ''}`.trim());
  }

  leave(): Promise<void> {
    return this.#reader.cancel();
  }
}

type App = ReturnType<typeof appOf>;
const listen = async ({ get }: App, query = '', headers = {}): Promise<Stream> =>
  new Stream(await get(`/events${query}`, headers));

afterEach(() => {
  vi.useRealTimers();
});

describe('GET /events', () => {
  it('reports the life cycle of orders in order, without payloads and causes', async () => {
    const all = appOf({
      minBalance: 0,
      steps: [{ name: 'work', run: () => new Promise(setImmediate) }],
    });
    const stream = await listen(all);
    await all.processor.submit({ ...order, payload: 'private' });
    await all.processor.submit({ ...order, id: 'o-2', amount: -9_999 }).catch(() => {});
    await all.processor.submit({ ...order, amount: 5 }).catch(() => {});
    await stream.until('refused');
    expect(stream.text).toMatch(/^retry: 1000\n\n/);
    expect(stream.text).not.toMatch(/private|cause|payload/);
    const lives = (id: string) => stream.names.filter((each) => each.endsWith(` ${id}`));
    expect(lives('o-1')).toEqual([
      'accepted o-1',
      'started o-1',
      'stepped o-1',
      'completed o-1',
      'refused o-1',
    ]);
    expect(lives('o-2')).toEqual(['accepted o-2', 'started o-2', 'failed o-2']);
    const numbers = stream.events.map(({ id }) => Number(id.split('-')[1]));
    expect(numbers).toEqual(range(numbers.length).map((n) => n + 1));
    await stream.leave();
  });

  it('reports nothing of other users, nor of all, to a reader of one user', async () => {
    const all = appOf();
    const stream = await listen(all, '?userId=u-1');
    await all.processor.submit({ id: 'a', userId: 'u-2', amount: 1 });
    await all.processor.submit({ id: 'b', userId: 'u-1', amount: 1 });
    await all.processor.submit({ id: 'c', userId: 'u-2', amount: 1 });
    await stream.until('completed');
    expect(new Set(stream.events.map(({ data }) => data.userId))).toEqual(new Set(['u-1']));
    await stream.leave();
  });

  it.each(['?userId=', '?user=u-1', '?userId=a&userId=b'])('refuses %s', async (query) => {
    await problemIn(await appOf().get(`/events${query}`), 400, 'bad_request');
  });

  it('goes on after Last-Event-ID, without loss or repetition', async () => {
    const all = appOf();
    const first = await listen(all);
    for (const id of ['a', 'b']) await all.processor.submit({ id, userId: 'u', amount: 1 });
    await first.until('"b"');
    await first.leave();
    const last = first.events.at(-1)?.id as string;
    for (const id of ['c', 'd']) await all.processor.submit({ id, userId: 'u', amount: 1 });
    const second = await listen(all, '', { 'last-event-id': last });
    await second.until('completed\ndata: {"status":"completed","orderId":"d"');
    // A browser whose first connection was refused cannot send the header, and later it can.
    const third = await listen(all, `?lastEventId=${last}`);
    await third.until('"orderId":"d"');
    expect(third.events).toEqual(second.events);
    await third.leave();
    const fourth = await listen(all, `?lastEventId=${last}`, { 'last-event-id': 'x' });
    await fourth.until('missed');
    await fourth.leave();
    const seen = [...first.events, ...second.events];
    const numbers = seen.map(({ id }) => Number(id.split('-')[1]));
    expect(numbers).toEqual(range(numbers.length).map((n) => n + 1));
    expect(second.names).not.toContain('missed');
    await second.leave();
  });

  it.each(['nonsense', '', '00000000-1', 'ffffffff-99999999999999999999'])(
    'says `missed` for the Last-Event-ID %j',
    async (lastEventId) => {
      const stream = await listen(appOf(), '', { 'last-event-id': lastEventId });
      await stream.until('event: missed\ndata: {}\n\n');
      await stream.leave();
    },
  );

  it('says `missed` when what comes next is no longer kept, or has not been yet', async () => {
    const all = appOf({}, { events: { buffer: 4 } });
    const first = await listen(all);
    await all.processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await first.until('completed');
    await first.leave();
    const [{ id: early }] = first.events as [Told];
    await all.processor.submit({ id: 'b', userId: 'u', amount: 1 });
    await all.processor.submit({ id: 'c', userId: 'u', amount: 1 });
    for (const id of [early, `${early.split('-')[0]}-999`]) {
      const stream = await listen(all, '', { 'last-event-id': id });
      await stream.until('event: missed');
      await stream.leave();
    }
  });

  it('drops a reader that does not read, and keeps no more for it than for others', async () => {
    const all = appOf({}, { events: { buffer: 10 } });
    const slow = await listen(all);
    const quick = await listen(all);
    await slow.until('retry');
    for (const n of range(40)) {
      await all.processor.submit({ id: `o-${n}`, userId: 'u', amount: 1 });
      await quick.until(`"orderId":"o-${n}"`);
    }
    await slow.end();
    expect(slow.names.at(-1)).toBe('dropped');
    expect(slow.events.length).toBeLessThan(15);
    expect(quick.isOver).toBe(false);
    await quick.leave();
  });

  it('keeps so many bytes and no more: what is older is missed (invariant 6)', async () => {
    const all = appOf(
      {
        steps: [
          { name: 'long', run: () => Promise.reject(new OrderError('no', 'x'.repeat(1_000))) },
        ],
      },
      { events: { bufferBytes: 20_000 } },
    );
    const first = await listen(all);
    for (const n of range(40)) {
      await all.processor.submit({ id: `o-${n}`, userId: 'u', amount: 1 }).catch(() => {});
      await first.until(`"orderId":"o-${n}"`);
    }
    await all.processor.submit({ id: 'last', userId: 'u', amount: 1 }).catch(() => {});
    await first.until('"id":"last"');
    await first.leave();
    const failed = first.events.filter(({ data }) => data.code === 'no');
    const resume = async (id: string | undefined): Promise<string[]> => {
      const stream = await listen(all, '', { 'last-event-id': id });
      await all.processor.submit({ id: `after ${id}`, userId: 'u', amount: 1 }).catch(() => {});
      await stream.until(`"id":"after ${id}"`);
      await stream.leave();
      return stream.names;
    };
    expect(await resume(failed.at(-5)?.id)).not.toContain('missed');
    expect(await resume(failed.at(-30)?.id)).toContain('missed');
  });

  it('takes so many readers and no more, until one leaves', async () => {
    const all = appOf({}, { events: { readers: 2 } });
    const first = await listen(all);
    const second = await listen(all);
    await problemIn(await all.get('/events'), 503, 'too_many_readers');
    await first.leave();
    const third = await listen(all);
    expect(third.response.status).toBe(200);
    await problemIn(await all.get('/events'), 503, 'too_many_readers');
    await second.leave();
    await third.leave();
  });
});

/** Signs of life: an id, and no event. */
function beatsIn(text: string): number {
  return text.split('\n\n').filter((block) => /^id: [0-9a-f]{8}-\d+$/.test(block)).length;
}

describe('in time', () => {
  /** How many listen to an event, as far as a processor says. */
  function spied(options = {}) {
    const all = appOf({}, options);
    const on = vi.spyOn(all.processor, 'on');
    const off = vi.spyOn(all.processor, 'off');
    return { ...all, listening: () => on.mock.calls.length - off.mock.calls.length };
  }

  it('a heartbeat comes every 15 s to each reader, with the id of the last event', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
    const all = appOf();
    const stream = await listen(all);
    await stream.until('retry: 1000\n\n');
    for (const beats of [1, 2, 3]) {
      await vi.advanceTimersByTimeAsync(14_999);
      expect(beatsIn(stream.text)).toBe(beats - 1);
      await vi.advanceTimersByTimeAsync(1);
      await stream.read();
      expect(beatsIn(stream.text)).toBe(beats);
    }
    await stream.leave();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  it('heartbeats do not pile up for a reader that does not read', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const stream = await listen(appOf());
    await vi.advanceTimersByTimeAsync(15_000 * 100);
    await stream.until('-0\n\n');
    expect(beatsIn(stream.text)).toBeLessThan(4);
    await stream.leave();
  });

  it('it listens from the first reader to 60 s after the last one', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
    const all = spied();
    expect(all.listening()).toBe(0);
    const first = await listen(all);
    const second = await listen(all);
    const many = all.listening();
    expect(many).toBeGreaterThan(5);
    await first.leave();
    await vi.advanceTimersByTimeAsync(120_000);
    expect(all.listening()).toBe(many);
    await second.leave();
    await vi.advanceTimersByTimeAsync(59_999);
    expect(all.listening()).toBe(many);
    const third = await listen(all);
    await vi.advanceTimersByTimeAsync(120_000);
    expect(all.listening()).toBe(many);
    await third.leave();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(all.listening()).toBe(0);
  });

  it('a reader that comes back later gets `missed`, and then later events', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] });
    const all = spied();
    const first = await listen(all);
    await all.processor.submit({ id: 'a', userId: 'u', amount: 1 });
    await first.until('completed');
    await first.leave();
    const last = first.events.at(-1)?.id as string;
    await vi.advanceTimersByTimeAsync(60_000);
    await all.processor.submit({ id: 'b', userId: 'u', amount: 1 });
    const second = await listen(all, '', { 'last-event-id': last });
    await all.processor.submit({ id: 'c', userId: 'u', amount: 1 });
    await second.until('"c"');
    expect(second.names[0]).toBe('missed');
    expect(second.text).not.toContain('"b"');
    await second.leave();
  });
});
