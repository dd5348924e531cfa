import { describe, expect, it, vi } from 'vitest';
import { deferred, range } from '../kit/helpers.ts';
import { appOf, gates, linesOf, order } from './helpers.ts';

const encoder = new TextEncoder();
const lineOf = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** A body that the test writes, and that says how far it was read. */
function bodyOf() {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const state = { isCanceled: false };
  const stream = new ReadableStream<Uint8Array>({
    start(own) {
      controller = own;
    },
    cancel() {
      state.isCanceled = true;
    },
  });
  return {
    stream,
    state,
    send: (...values: unknown[]) => controller.enqueue(encoder.encode(values.map(lineOf).join(''))),
    sendText: (text: string) => controller.enqueue(encoder.encode(text)),
    end: () => controller.close(),
    fail: () => controller.error(new Error('The client has gone')),
  };
}

/** The lines of an answer, as they come. */
function reading(response: Response) {
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const decoder = new TextDecoder();
  let text = '';
  return {
    async next(): Promise<Record<string, unknown> | undefined> {
      while (!text.includes('\n')) {
        const { done, value } = await reader.read();
        if (done) return undefined;
        text += decoder.decode(value, { stream: true });
      }
      const at = text.indexOf('\n');
      const line = text.slice(0, at);
      text = text.slice(at + 1);
      return JSON.parse(line);
    },
    cancel: () => reader.cancel(),
  };
}

describe('POST /orders/batch', () => {
  it('gives the outcomes in the order of the lines, even if a later order ends first', async () => {
    const { step, open } = gates();
    const { batch, processor } = appOf({ steps: [step] });
    const ids = ['a', 'b', 'c'];
    const response = await batch(ids.map((id) => lineOf({ id, userId: id, amount: 1 })).join(''));
    const lines = linesOf(response);
    for (const id of [...ids].reverse()) {
      open(id);
      await processor.outcome(id);
    }
    expect(await lines).toMatchObject([
      { index: 0, orderId: 'a', status: 'completed', balance: 1 },
      { index: 1, orderId: 'b' },
      { index: 2, orderId: 'c' },
    ]);
  });

  it('gives each bad line its refusal in its place, and goes on', async () => {
    const { batch, processor } = appOf({ minBalance: 0 });
    const text = [
      lineOf({ ...order, payload: 'not sent back' }),
      '{"id":\n',
      '\n',
      lineOf({ ...order, id: 'x', extra: 1 }),
      lineOf({ ...order, id: 'y', amount: -9_999 }),
      '{"userId":"u","amount":1,"__proto__":{}}\r\n',
      lineOf([order]),
      lineOf({ ...order, amount: 7 }),
      JSON.stringify({ ...order, id: 'last' }),
    ];
    const lines = await linesOf(await batch(text.join('')));
    expect(lines).toMatchObject([
      { index: 0, status: 'completed', orderId: 'o-1' },
      { index: 1, status: 'refused', code: 'bad_request' },
      { index: 2, status: 'refused', code: 'invalid_order', issues: [{ path: '' }] },
      { index: 3, status: 'failed', code: 'insufficient_funds', orderId: 'y' },
      { index: 4, status: 'refused', code: 'bad_request' },
      { index: 5, status: 'refused', code: 'invalid_order' },
      { index: 6, status: 'refused', code: 'order_conflict' },
      { index: 7, status: 'completed', orderId: 'last', balance: 2400 },
    ]);
    expect(JSON.stringify(lines)).not.toContain('not sent back');
    expect(processor.stats()).toMatchObject({ accepted: 3, refused: 5 });
  });

  it.each(['', '\n\n \r\n'])('of %j is nothing', async (text) => {
    expect(await linesOf(await appOf().batch(text))).toEqual([]);
  });

  it('gives the first outcomes before the body ends', async () => {
    const { batch } = appOf();
    const { stream, send, end } = bodyOf();
    const lines = reading(await batch(stream));
    for (const n of range(5)) {
      send({ id: `o-${n}`, userId: 'u', amount: 1 });
      expect(await lines.next()).toMatchObject({ index: n, balance: n + 1 });
    }
    end();
    expect(await lines.next()).toBeUndefined();
  });

  it('reads no faster than its outcomes are read', async () => {
    const { batch, processor } = appOf({ capacity: 50 });
    let made = 0;
    const source = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          made += 1;
          controller.enqueue(encoder.encode(lineOf({ userId: `u-${made}`, amount: 1 })));
          if (made === 20_000) controller.close();
        },
      },
      { highWaterMark: 0 },
    );
    const response = await batch(source);
    let before = -1;
    while (made !== before) {
      before = made;
      for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
    }
    expect(made).toBeLessThan(1_000);
    expect(processor.stats().accepted).toBeLessThanOrEqual(made);
    expect(await linesOf(response)).toHaveLength(20_000);
    expect(processor.stats().accepted).toBe(20_000);
  });

  it('waits for room, also where other orders are refused', async () => {
    const { step, openAll } = gates();
    const { batch, post, processor } = appOf({ capacity: 2, concurrency: 2, steps: [step] });
    const response = batch(
      range(6)
        .map((n) => lineOf({ id: `${n}`, userId: `${n}`, amount: 1 }))
        .join(''),
    );
    const lines = response.then(linesOf);
    const opening = setInterval(openAll, 1);
    expect(await lines).toMatchObject(range(6).map((index) => ({ index, status: 'completed' })));
    clearInterval(opening);
    expect(processor.stats().refused).toBe(0);
    expect((await post({ ...order, id: 'after' })).status).toBe(202);
    openAll();
  });
});

describe('a batch that ends early', () => {
  it('makes no order of half a line, and those before go on', async () => {
    const { batch, processor } = appOf();
    const { stream, send, sendText, fail } = bodyOf();
    const lines = reading(await batch(stream));
    send({ id: 'a', userId: 'u', amount: 1 });
    expect(await lines.next()).toMatchObject({ orderId: 'a' });
    sendText(JSON.stringify({ id: 'half', userId: 'u', amount: 5 }));
    fail();
    expect(await lines.next()).toBeUndefined();
    await processor.onIdle();
    expect(await processor.order('half')).toBeUndefined();
    expect(await processor.balance('u')).toBe(1);
  });

  it('stops its source when the outcomes are not read, and what is accepted goes on', async () => {
    const { step, open } = gates();
    const { batch, processor } = appOf({ steps: [step] });
    const { stream, state, send } = bodyOf();
    const lines = reading(await batch(stream));
    const accepted = new Promise((resolve) => processor.on('accepted', resolve));
    send({ id: 'a', userId: 'u', amount: 1 });
    await accepted;
    const canceled = lines.cancel();
    await new Promise(setImmediate);
    expect(state.isCanceled).toBe(true);
    open('a');
    await canceled;
    await processor.onIdle();
    expect(await processor.balance('u')).toBe(1);
  });

  it('gives the outcomes so far when the next line does not come in time', async () => {
    const { batch, processor } = appOf({}, { readTimeoutMs: 10 });
    const { stream, state, send, sendText } = bodyOf();
    const lines = reading(await batch(stream));
    send({ id: 'a', userId: 'u', amount: 1 });
    sendText('{"id":"half"');
    expect(await lines.next()).toMatchObject({ orderId: 'a' });
    expect(await lines.next()).toBeUndefined();
    expect(state.isCanceled).toBe(true);
    expect(processor.stats()).toMatchObject({ accepted: 1, refused: 0 });
  });

  it('ends its answer when the processor has closed', async () => {
    const { batch, processor } = appOf();
    const { stream, send } = bodyOf();
    const lines = reading(await batch(stream));
    send({ id: 'a', userId: 'u', amount: 1 });
    expect(await lines.next()).toMatchObject({ status: 'completed' });
    const next = lines.next();
    await processor.shutdown();
    expect(await next).toBeUndefined();
  });

  it('refuses the line that comes while the processor shuts down, and ends with it', async () => {
    const gate = deferred();
    const { batch, processor } = appOf({ steps: [{ name: 'waits', run: () => gate.promise }] });
    const { stream, send } = bodyOf();
    const lines = reading(await batch(stream));
    send({ id: 'a', userId: 'u', amount: 1 });
    await vi.waitFor(() => expect(processor.stats().unsettled).toBe(1));
    const closed = processor.shutdown();
    for (const id of ['b', 'c']) send({ id, userId: 'u', amount: 1 });
    await new Promise((resolve) => setTimeout(resolve, 20));
    gate.resolve();
    expect(await lines.next()).toMatchObject({ status: 'completed', orderId: 'a' });
    expect(await lines.next()).toMatchObject({ status: 'refused', code: 'shut_down' });
    expect(await lines.next()).toBeUndefined();
    await closed;
  });

  it('leaves no listener on the server’s closing', async () => {
    const { batch, processor } = appOf();
    const { draining } = await import('../../src/server/listening/server-draining.ts');
    const { signal } = draining(processor);
    const added: string[] = [];
    const [add, remove] = [signal.addEventListener, signal.removeEventListener];
    signal.addEventListener = (...given: Parameters<typeof add>) => {
      added.push('+');
      add.apply(signal, given);
    };
    signal.removeEventListener = (...given: Parameters<typeof remove>) => {
      added.push('-');
      remove.apply(signal, given);
    };
    await linesOf(await batch(lineOf(order)));
    expect(added.filter((each) => each === '+')).toHaveLength(1);
    expect(added).toContain('-');
  });
});
