/** Values that clients may send in place of valid ones. */
import type { Dice } from './dice.ts';

const texts = [
  '',
  ' ',
  '.',
  '..',
  '../..',
  '%',
  '%00',
  '%2e%2e',
  '%2F',
  '%ZZ',
  '%E0%A4%A',
  '__proto__',
  'constructor',
  'toString',
  'hasOwnProperty',
  'then',
  'null',
  'undefined',
  'NaN',
  '-1',
  '0',
  '1e5',
  '9007199254740993',
  '99999999999999999999999999',
  "'; drop table orders; --",
  '<script>alert(1)</script>',
  '\u0000',
  'a\nb',
  'a\r\nX-Injected: yes',
  '\ud800',
  '\udc00x',
  '\ufeffbom',
  '\u202eright to left',
  '👩‍👩‍👧',
  'ä',
  'a\u0308',
  'x'.repeat(256),
  'x'.repeat(257),
  '👍'.repeat(128),
  'y'.repeat(5_000),
  '?',
  '#',
  'a b',
  'a/b',
  'a\\b',
  'a;b',
  'a+b',
  '/',
  '//',
];

/** Texts of JSON values, some of which are none. */
const jsonTexts = [
  'null',
  'true',
  '""',
  '[]',
  '{}',
  '0',
  '-0',
  '0.1',
  '1e2',
  '1e400',
  '-1e-400',
  '9007199254740991',
  '-9007199254740991',
  '9007199254740992',
  '9007199254740993',
  '12345678901234567890123',
  '1.0000000000000000000001',
  'NaN',
  'Infinity',
  '01',
  '+1',
  '.5',
  '0x10',
  "'single'",
  '"\\ud800"',
  '"\\u0000"',
  '"\\x"',
  '"a\nb"',
  '[1,]',
  '{"a":1,}',
  '{"__proto__":{"polluted":true}}',
  '{"\\u005f_proto__":{"polluted":true}}',
  '{"constructor":{"prototype":{"polluted":true}}}',
  '{"toJSON":1,"then":2,"length":-1}',
  '[[[[[[[[1]]]]]]]]',
];

/** Of headers that mean something here. */
const headers: Readonly<Record<string, readonly string[]>> = {
  'content-type': [
    'application/json; charset=utf-8',
    'application/json;charset="UTF-8"',
    'application/json; charset=utf-16',
    'application/vnd.orders+json',
    'application/json, text/plain',
    'application/x-ndjson',
    'application/jsonl',
    'text/plain',
    'multipart/form-data; boundary=x',
    '',
    ';',
    `application/json;${' '.repeat(2_000)}x`,
    'application/json;;;',
  ],
  'content-encoding': ['gzip', 'identity', 'br', 'gzip, identity', ''],
  'content-length': ['0', '1', '-1', 'x', '1e3', '99999999999999', '5, 5'],
  prefer: [
    'wait=1',
    'wait=0',
    'wait',
    'wait=',
    'wait=-1',
    'wait=1e9',
    'wait="1"',
    'respond-async, wait=1',
    'WAIT=1',
    'wait=999999',
    'wait=9999999',
    `${','.repeat(1_000)}wait=1`,
    'return=minimal',
  ],
  'idempotency-key': ['', '""', '"', '"a\\"b"', '"a\\b"', 'k', 'x'.repeat(300), '.', '..', 'ÿ'],
  'last-event-id': ['', '0', 'x', '00000000-1', 'ffffffff-99999999999999999', '-', 'a'.repeat(999)],
  authorization: ['Bearer', 'Bearer x', 'Basic eDp5', `Bearer ${'x'.repeat(4_000)}`],
  accept: ['*/*', 'text/html', ''],
  expect: ['100-continue'],
  'transfer-encoding': ['chunked', 'gzip', 'identity'],
  'x-http-method-override': ['DELETE'],
  range: ['bytes=0-1'],
  'if-none-match': ['*'],
  upgrade: ['websocket'],
  host: ['', 'evil.example', 'a b', '[::1', 'localhost:99999'],
};

const queries = [
  '',
  '?',
  '?limit=1',
  '?limit=0',
  '?limit=1&limit=2',
  '?limit=%31',
  '?limit=1001',
  '?limit=-1',
  '?limit=1e1',
  '?status=completed',
  '?status=COMPLETED',
  '?userId=',
  '?userId=u-1',
  '?userId=%00',
  '?userId=%ff%fe',
  '?userId=%ED%A0%80',
  '?userId[]=a',
  '?__proto__=1',
  '?__proto__[a]=1',
  '?constructor=1',
  '?cursor=x',
  '?cursor=',
  '?cursor=MSB4',
  '?cursor=OTk5OTk5OTk5OTk5OTk5OSB4',
  '?cursor=%F0%9F%91%8D',
  '?acceptedFrom=0&acceptedBefore=1',
  '?acceptedFrom=9007199254740993',
  '?acceptedBefore=0x10',
  '?unknown=1',
  '?action=',
  '?action=skip&action=retry',
  '?orderId=x',
  '?after=x',
  '?after=',
  '?at=-1',
  '?from=9007199254740993&to=1',
  '?&&&==&',
  '?%',
  '#fragment',
];

export function oddText(dice: Dice): string {
  return dice.pick(texts);
}

/** Mostly short; now and then deeper than a stack is. */
export function oddJson(dice: Dice): string {
  if (dice.chance(0.2)) return JSON.stringify(oddText(dice));
  if (dice.chance(0.005)) return nested(dice.pick([1_000, 6_000, 100_000]), dice.pick(jsonTexts));
  if (dice.chance(0.02)) return `1${'0'.repeat(dice.below(3_000))}${dice.below(2)}`;
  return dice.pick(jsonTexts);
}

function nested(depth: number, inner: string): string {
  return `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;
}

export function oddHeader(dice: Dice): [string, string] {
  const name = dice.pick(Object.keys(headers));
  return [name, dice.pick(headers[name] as readonly string[])];
}

export function oddQuery(dice: Dice): string {
  return dice.pick(queries);
}
