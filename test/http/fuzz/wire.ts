/** Requests as bytes, and what can be wrong with them that no client would send. */
import type { Dice } from './dice.ts';
import type { Spec } from './requests.ts';

const crlf = '\r\n';

/** As it should be, or nearly so. */
export function bytesOf({ method, path, headers, body }: Spec, dice: Dice): Buffer {
  const isChunked = body !== undefined && dice.chance(0.3);
  const lines = [`${method} ${lineSafe(path)} HTTP/1.1`, 'host: localhost'];
  for (const [name, value] of headers) lines.push(`${name}: ${value}`);
  if (isChunked) lines.push('transfer-encoding: chunked');
  else if (body !== undefined) lines.push(`content-length: ${body.length}`);
  const head = Buffer.from(`${lines.join(crlf)}${crlf}${crlf}`);
  return Buffer.concat([head, isChunked ? chunked(body, dice) : (body ?? Buffer.alloc(0))]);
}

/** Parts of a path that would end the request's line are left to the mutations below. */
function lineSafe(path: string): string {
  return path.replace(/[\r\n ]/g, '%20');
}

function chunked(body: Buffer, dice: Dice): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length; ) {
    const piece = body.subarray(at, at + 1 + dice.below(body.length));
    parts.push(Buffer.from(`${piece.length.toString(16)}${crlf}`), piece, Buffer.from(crlf));
    at += piece.length;
  }
  return Buffer.concat([...parts, Buffer.from(`0${crlf}${crlf}`)]);
}

type Mutation = (bytes: Buffer, dice: Dice) => Buffer;

/** Puts another line in place of the first, of the headers, or after them. */
function line(text: string): Mutation {
  return (bytes) => {
    const at = bytes.indexOf(crlf) + 2;
    const added = Buffer.from(`${text}${crlf}`, 'latin1');
    return Buffer.concat([bytes.subarray(0, at), added, bytes.subarray(at)]);
  };
}

function firstLine(text: string): Mutation {
  return (bytes) => {
    return Buffer.concat([Buffer.from(text, 'latin1'), bytes.subarray(bytes.indexOf(crlf))]);
  };
}

function replaced(from: RegExp, to: string): Mutation {
  return (bytes) => Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1');
}

const mutations: readonly Mutation[] = [
  ...[
    'GET /livez HTTP/1.0',
    'GET /livez HTTP/0.9',
    'GET /livez HTTP/2.0',
    'GET /livez HTTP/1.1 HTTP/1.1',
    'GET  /livez  HTTP/1.1',
    'GET /livez',
    'GET livez HTTP/1.1',
    'GET * HTTP/1.1',
    'OPTIONS * HTTP/1.1',
    'GET http://localhost/livez HTTP/1.1',
    'GET http:///livez HTTP/1.1',
    'GET https://[::1/livez HTTP/1.1',
    'GET file:///etc/passwd HTTP/1.1',
    'GET //evil.example/livez HTTP/1.1',
    'GET /orders\\..\\stats HTTP/1.1',
    'GET /\x00 HTTP/1.1',
    'GET /\xff\xfe HTTP/1.1',
    'GET /orders/%ZZ%00 HTTP/1.1',
    `GET /${'a'.repeat(20_000)} HTTP/1.1`,
    `GET /orders?${'a=1&'.repeat(2_000)} HTTP/1.1`,
    'CONNECT localhost:80 HTTP/1.1',
    'TRACE /orders HTTP/1.1',
    'BREW /orders HTTP/1.1',
    'get /orders HTTP/1.1',
    'PRI * HTTP/2.0',
    'M-SEARCH /orders HTTP/1.1',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    '',
  ].map(firstLine),
  ...[
    'content-length: 5',
    'content-length: -1',
    'content-length: 1e1',
    'content-length: 99999999999999999999',
    'transfer-encoding: chunked',
    'transfer-encoding: gzip, chunked',
    'transfer-encoding: chunked, chunked',
    'transfer-encoding:\x0bchunked',
    'transfer-encoding : chunked',
    'connection: close',
    'connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x',
    'expect: 100-continue',
    'expect: 200-ok',
    'host: other.example',
    'x: a\r\n folded',
    ': nameless',
    'no colon',
    'x\x00y: z',
    'x: \x00',
    'x: \x7f\xff',
    '__proto__: x',
    'constructor: x',
    `x: ${'y'.repeat(17_000)}`,
    Array.from({ length: 1_500 }, (_, at) => `x-${at}: y`).join(crlf),
    'trailer: x',
    'te: trailers',
    'keep-alive: timeout=-1',
    '\r\nGET /livez HTTP/1.1\r\nhost: smuggled',
  ].map(line),
  replaced(/host: localhost/, 'host: '),
  replaced(/host: localhost\r\n/, ''),
  replaced(/host: localhost/, 'host: a b'),
  replaced(/host: localhost/, 'host: [::1'),
  replaced(/host: localhost/, 'host: localhost/..?#@x'),
  replaced(/\r\n/g, '\n'),
  replaced(/\r\n/, '\r'),
  replaced(/\r\n([0-9a-f]+)\r\n/, '\r\n$1;ext="x"\r\n'),
  replaced(/\r\n[0-9a-f]+\r\n/, '\r\nzz\r\n'),
  replaced(/\r\n[0-9a-f]+\r\n/, '\r\nffffffffffffffff\r\n'),
  replaced(/\r\n[0-9a-f]+\r\n/, '\r\n-1\r\n'),
  replaced(/content-length: (\d+)/, 'content-length: $10'),
  replaced(/content-length: \d+/, 'content-length: 1'),
  (bytes, dice) => bytes.subarray(0, dice.below(bytes.length + 1)),
  (bytes, dice) => Buffer.concat([dice.bytes(1 + dice.below(20)), bytes]),
  (bytes, dice) => {
    const flipped = Buffer.from(bytes);
    for (let left = 1 + dice.below(4); left > 0 && bytes.length > 0; left -= 1) {
      flipped[dice.below(Math.min(bytes.length, 200))] = dice.below(256);
    }
    return flipped;
  },
];

export function mutated(bytes: Buffer, dice: Dice): Buffer {
  return dice.pick(mutations)(bytes, dice);
}

/** Bytes as they may come: at once, or in pieces. */
export function piecesOf(bytes: Buffer, dice: Dice): Buffer[] {
  if (dice.chance(0.7)) return [bytes];
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    const piece = bytes.subarray(at, at + 1 + dice.below(bytes.length));
    pieces.push(piece);
    at += piece.length;
  }
  return pieces;
}
