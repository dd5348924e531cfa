/** Bodies that are too much are refused before they are there, and none of them is kept. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import { Client } from './client.ts';
import { type Abused, abused, head, orderRequest } from './server.ts';

const limitBytes = 10_000;
const json = { 'content-type': 'application/json' };
const lines = { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' };

let target: Abused;
beforeEach(async () => {
  target = await abused({}, { bodyLimitBytes: limitBytes });
});
afterEach(async () => {
  expect(target.processor.stats()).toMatchObject({ unsettled: 0, waitingCallers: 0 });
  await target.server.close();
  expect(target.internal).toEqual([]);
});

function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** Sends until the connection is closed, or so many bytes are on their way. */
async function pour(client: Client, piece: Buffer, mostBytes: number): Promise<number> {
  let sent = 0;
  while (sent < mostBytes && client.socket.writable) {
    sent += piece.length;
    const drained = new Promise((resolve) => client.socket.once('drain', resolve));
    if (!client.socket.write(piece)) await Promise.race([drained, client.closed]);
  }
  return sent;
}

describe('a body beyond the limit', () => {
  it('is refused by its length alone', async () => {
    const client = await Client.connect(target.server.port);
    client.send(head('POST /orders', { ...json, 'content-length': 10 ** 12 }));
    const [answer] = await client.got(1);
    expect(answer?.status).toBe(413);
    // What would come cannot be skipped, so the connection is of no more use.
    await client.closed;
  });

  it('is refused as soon as its chunks are more than that, and its end is not waited for', async () => {
    const client = await Client.connect(target.server.port);
    client.send(head('POST /orders', { ...json, 'transfer-encoding': 'chunked' }));
    client.send(chunk(' '.repeat(limitBytes))).send(chunk(' '));
    const [answer] = await client.got(1);
    expect(answer?.status).toBe(413);
    expect(JSON.parse(answer?.text ?? '')).toMatchObject({ code: 'content_too_large' });
    await client.closed;
  });

  it.each([
    ['of a length', { 'content-length': 10 ** 12 }, Buffer.alloc(65_536, ' ')],
    ['in chunks', { 'transfer-encoding': 'chunked' }, Buffer.from(chunk(' '.repeat(65_536)))],
  ])('%s is not taken for long, however fast it comes', async (_, headers, piece) => {
    const client = await Client.connect(target.server.port);
    client.send(head('POST /orders', { ...json, ...headers }));
    const sent = await pour(client, piece, 1_000_000_000);
    expect(sent).toBeLessThan(1_000_000_000);
    await client.closed;
    expect((await fetch(`${target.server.url}/livez`)).status).toBe(200);
  });

  it('is taken at the limit itself, and the connection goes on', async () => {
    const client = await Client.connect(target.server.port);
    const order = JSON.stringify({ id: 'o-1', userId: 'u-1', amount: 7 });
    const body = order.padEnd(limitBytes);
    client.send(`${head('POST /orders', { ...json, 'content-length': limitBytes })}${body}`);
    client.send(head('POST /orders', { ...json, 'transfer-encoding': 'chunked' }));
    client.send(chunk(body)).send('0\r\n\r\n');
    const answers = await client.got(2);
    expect(answers.map(({ status }) => status)).toEqual([202, 202]);
    expect(await target.processor.balance('u-1')).toBe(7);
    client.leave();
  });
});

describe('lines beyond the limit', () => {
  it('are refused each in its place, and nothing of them is kept', async () => {
    const before = process.memoryUsage().rss;
    const client = await Client.connect(target.server.port);
    client.send(head('POST /orders/batch', lines));
    client.send(chunk('{"id":"o-1","userId":"u-1","amount":7}\n'));
    // One line of 200 MB.
    const piece = Buffer.from(chunk('x'.repeat(65_536)));
    await pour(client, piece, 200_000_000);
    client.send(chunk('\n{"id":"o-2","userId":"u-1","amount":8}\n')).send('0\r\n\r\n');
    const [answer] = await client.got(1);
    const told = answer?.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(told).toMatchObject([
      { index: 0, status: 'completed', balance: 7 },
      { index: 1, status: 'refused', code: 'content_too_large' },
      { index: 2, status: 'completed', balance: 15 },
    ]);
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    client.leave();
  });
});

describe('an encoded body', () => {
  it.each([
    ['/orders', 'application/json'],
    ['/orders/batch', 'application/x-ndjson'],
  ])('is refused for %s, so that nothing small becomes large', async (path, type) => {
    for (const encoding of ['gzip', 'deflate', 'br', 'zstd', 'gzip, identity']) {
      const response = await fetch(`${target.server.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': type, 'content-encoding': encoding },
        body: Buffer.alloc(1_000),
      });
      expect(response.status, encoding).toBe(415);
      await response.body?.cancel();
    }
  });
});

describe('requests one after the other without waiting', () => {
  it('are answered in their order', async () => {
    const client = await Client.connect(target.server.port);
    const all = range(500);
    client.send(
      all
        .map((n) => orderRequest({ id: `o-${n}`, userId: 'u-1', amount: n }, { prefer: 'wait=5' }))
        .join(''),
    );
    const answers = await client.got(500);
    expect(answers.map(({ text }) => JSON.parse(text).orderId)).toEqual(all.map((n) => `o-${n}`));
    expect(await target.processor.balance('u-1')).toBe((499 * 500) / 2);
    client.leave();
  });
});
