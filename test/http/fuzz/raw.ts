/** Bytes over a socket, and what comes back, without a client that knows better. */
import { connect, type Socket } from 'node:net';
import type { Answer } from './answer.ts';

/** What a connection came to. */
export interface Exchange {
  /** All that came. */
  readonly bytes: Buffer;
  /** Whether the server has closed in time. */
  readonly isClosed: boolean;
}

/** How long a server may take to close when nothing more will come. */
const boundMs = 4_000;

/**
 * Sends bytes in pieces and reads until the server closes; to one that waits for more it says after a while
 * that nothing more will come.
 */
export async function exchange(
  port: number,
  pieces: readonly Buffer[],
  patienceMs: number,
): Promise<Exchange> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const received: Buffer[] = [];
  socket.on('data', (chunk) => received.push(chunk));
  const closed = closeOf(socket);
  for (const piece of pieces) {
    if (!socket.writable) break;
    socket.write(piece);
    if (pieces.length > 1) await new Promise((resolve) => setImmediate(resolve));
  }
  const isClosed =
    (await isWithin(closed, patienceMs)) || (socket.end() && (await isWithin(closed, boundMs)));
  socket.destroy();
  return { bytes: Buffer.concat(received), isClosed };
}

/** Resolves when a socket has closed, even by an error. */
export function closeOf(socket: Socket): Promise<true> {
  socket.on('error', () => {});
  return new Promise((resolve) => socket.on('close', () => resolve(true)));
}

export async function isWithin(promise: Promise<unknown>, ms: number): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * The whole answers among bytes, one after the other; what is cut off at the end is none.
 *
 * @param methods - of the requests, since an answer to HEAD has no body, whatever its headers say
 */
export function answersOf(bytes: Buffer, methods: readonly string[] = []): Answer[] {
  const answers: Answer[] = [];
  const text = bytes.toString('latin1');
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\r\n\r\n', at);
    if (end === -1) break;
    const [line = '', ...rest] = text.slice(at, end).split('\r\n');
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1]);
    if (Number.isNaN(status)) throw new Error(`Expected an answer, got ${line.slice(0, 100)}`);
    at = end + 4;
    // "Continue" comes before the answer.
    if (status === 100) continue;
    const headers = new Headers(rest.map((each) => each.split(/:\s*/s, 2) as [string, string]));
    const isBodiless = methods[answers.length] === 'HEAD' || status === 204;
    const body = isBodiless ? { text: '', end: at } : bodyOf(text, at, headers);
    if (body === undefined) break;
    const decoded = Buffer.from(body.text, 'latin1').toString();
    answers.push({ status, headers, text: decoded });
    at = body.end;
  }
  return answers;
}

function bodyOf(
  text: string,
  from: number,
  headers: Headers,
): { readonly text: string; readonly end: number } | undefined {
  if (headers.get('transfer-encoding') === 'chunked') return chunksOf(text, from);
  const length = headers.get('content-length');
  // Then the end of the connection is the end of the body.
  const isToEnd = length === null && headers.get('connection') === 'close';
  const end = isToEnd ? text.length : from + Number(length ?? 0);
  return end > text.length ? undefined : { text: text.slice(from, end), end };
}

function chunksOf(
  text: string,
  from: number,
): { readonly text: string; readonly end: number } | undefined {
  let body = '';
  for (let at = from; ; ) {
    const line = text.indexOf('\r\n', at);
    if (line === -1) return undefined;
    const length = Number.parseInt(text.slice(at, line), 16);
    const end = line + 2 + length;
    if (end + 2 > text.length) return undefined;
    if (length === 0) return { text: body, end: end + 2 };
    body += text.slice(line + 2, end);
    at = end + 2;
  }
}
