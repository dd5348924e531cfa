import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { perSecond } from './loops.ts';

const connections = 256;
const requests = 60_000;
const users = 1_000;

/** Starts a contender's server, in a process of its own that ends with this one. */
export async function start(contender: string): Promise<number> {
  const { port } = await launch(contender);
  return port;
}

async function launch(contender: string): Promise<{ port: number; end: () => void }> {
  const child = fork(join(import.meta.dirname, 'server.ts'), [contender]);
  child.unref();
  const [port] = await once(child, 'message');
  child.channel?.unref();
  return { port, end: () => child.disconnect() };
}

/** The ratios would mean nothing if the limit answered less than what it is the limit of. */
export async function checkBareAnswer(): Promise<void> {
  const [bare, ours] = await Promise.all([answerOf('bare'), answerOf('memory')]);
  assert.deepEqual(bare, ours);
}

/** All of an answer that is the same for every order: its status, headers and keys. */
async function answerOf(contender: string) {
  const { port, end } = await launch(contender);
  try {
    const headers = { 'content-type': 'application/json' };
    const init = { method: 'POST', headers, body: bodyOf(0) };
    const response = await fetch(`http://127.0.0.1:${port}/orders`, init);
    const own = ['date', 'location', 'content-length'];
    const same = [...response.headers].map(([name, value]) => [name, own.includes(name) || value]);
    const keys = Object.keys((await response.json()) as object);
    return { status: response.status, headers: Object.fromEntries(same), keys };
  } finally {
    end();
  }
}

function bodyOf(index: number): string {
  return JSON.stringify({ userId: `user-${index % users}`, amount: 1 + (index % 100) });
}

/** `POST /orders` on connections that send their next order when they have the answer: a closed loop. */
export function ordersOverHttp(contender: string): () => Promise<number> {
  const started = start(contender);
  const bytes = Array.from({ length: users }, (_, index) => requestOf(bodyOf(index)));
  return async () => {
    const port = await started;
    let sent = 0;
    const next = (): Buffer | undefined => {
      sent += 1;
      return sent > requests ? undefined : bytes[sent % users];
    };
    const from = performance.now();
    await Promise.all(Array.from({ length: connections }, () => drive(port, next)));
    return perSecond(requests, from);
  };
}

function requestOf(body: string): Buffer {
  return Buffer.from(
    `POST /orders HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
}

/**
 * As little as a client can do, so that the server is what is measured: an answer is over when as many bytes
 * have come as its head says.
 */
async function drive(port: number, next: () => Buffer | undefined): Promise<void> {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  await new Promise<void>((resolve, reject) => {
    let text = '';
    const send = (): void => {
      const request = next();
      if (request === undefined) resolve();
      else socket.write(request);
    };
    socket.setEncoding('latin1');
    socket.on('error', reject);
    socket.on('data', (chunk: string) => {
      text += chunk;
      const head = text.indexOf('\r\n\r\n');
      if (head === -1) return;
      const [, length = Number.NaN] = /content-length: (\d+)/i.exec(text) ?? [];
      if (text.length < head + 4 + Number(length)) return;
      if (!text.startsWith('HTTP/1.1 202')) reject(new Error(text));
      text = '';
      send();
    });
    send();
  });
  socket.destroy();
}

const lines = 400_000;

/** `POST /orders/batch`, one request for all, and no more of a client than counts the outcomes. */
export function batchOverHttp(contender: string): () => Promise<number> {
  const started = start(contender);
  const body = Array.from({ length: lines }, (_, index) => `${bodyOf(index)}\n`).join('');
  const head = `POST /orders/batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-ndjson\r\ncontent-length: ${body.length}\r\n\r\n`;
  const bytes = Buffer.from(`${head}${body}`);
  return async () => {
    const port = await started;
    const socket = connect({ port, host: '127.0.0.1' });
    const from = performance.now();
    socket.write(bytes);
    let count = 0;
    // The end of a line may be split.
    let rest = '';
    socket.setEncoding('latin1');
    for await (const chunk of socket) {
      const text = `${rest}${chunk}`;
      for (let at = text.indexOf('}\n'); at !== -1; at = text.indexOf('}\n', at + 2)) count += 1;
      rest = text.endsWith('}') ? '}' : '';
      if (count === lines) break;
    }
    if (count !== lines) throw new Error(`${count} outcomes of ${lines} orders`);
    return perSecond(lines, from);
  };
}
