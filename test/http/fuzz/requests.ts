import type { Dice } from './dice.ts';
import { oddHeader, oddJson, oddQuery, oddText } from './oddities.ts';

/** A request before any client has had its say on it. */
export interface Spec {
  method: string;
  path: string;
  headers: [string, string][];
  body: Buffer | undefined;
}

/** What the requests of one life have to do with each other. */
export interface World {
  readonly users: readonly string[];
  /** Ids that were sent already. */
  readonly ids: string[];
  /** Of outcomes that came. */
  readonly cursors: string[];
}

type Route = (dice: Dice, world: World) => Spec;

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PURGE', 'QUERY'];
const priorities = ['high', 'medium', 'low'];

function orderText(dice: Dice, { users, ids }: World): string {
  const userId = dice.pick(users);
  const order: Record<string, unknown> = { userId, amount: dice.below(2_000) - 500 };
  if (dice.chance(0.25)) order.postings = postings(dice, users, userId);
  if (dice.chance(0.8)) {
    const isKnown = ids.length > 0 && dice.chance(0.1);
    const id = isKnown ? dice.pick(ids) : `f-${ids.length}`;
    ids.push(id);
    order.id = id;
  }
  if (dice.chance(0.3)) order.priority = dice.pick(priorities);
  if (dice.chance(0.3)) order.payload = { items: [dice.below(10)], note: 'n' };
  return JSON.stringify(order);
}

/** To one user or to several others, each once. */
function postings(dice: Dice, users: readonly string[], payer: string): unknown {
  const others = users.filter((userId) => userId !== payer && dice.chance(0.4));
  const payees = others.length > 0 ? others : [payer === 'u-1' ? 'u-2' : 'u-1'];
  return payees.map((userId) => ({ userId, amount: 1 + dice.below(300) }));
}

function json(body: string): Pick<Spec, 'headers' | 'body'> {
  return { headers: [['content-type', 'application/json']], body: Buffer.from(body) };
}

function get(path: string): Spec {
  return { method: 'GET', path, headers: [], body: undefined };
}

function postOrder(dice: Dice, world: World): Spec {
  const spec = { method: 'POST', path: '/orders', ...json(orderText(dice, world)) };
  if (dice.chance(0.4)) spec.headers.push(['prefer', 'wait=5']);
  return spec;
}

function postBatch(dice: Dice, world: World): Spec {
  const lines = Array.from({ length: dice.below(8) }, () =>
    dice.chance(0.1) ? oddJson(dice) : orderText(dice, world),
  );
  const body = Buffer.from(lines.join(dice.pick(['\n', '\n', '\r\n', '\n\n'])));
  const headers: Spec['headers'] = [['content-type', 'application/x-ndjson']];
  return { method: 'POST', path: '/orders/batch', headers, body };
}

function idPath(dice: Dice, { ids }: World): string {
  const id = ids.length > 0 && dice.chance(0.8) ? dice.pick(ids) : oddText(dice);
  return `/orders/${encoded(id)}`;
}

function encoded(text: string): string {
  return encodeURIComponent(text.toWellFormed());
}

function userPath(dice: Dice, { users }: World, rest: string): string {
  return `/users/${encoded(dice.pick([...users, oddText(dice)]))}/${rest}`;
}

function hold(dice: Dice, { users }: World): Spec {
  const reason = dice.pick(['{}', '{"reason":"a freeze"}']);
  return { method: 'POST', path: `/users/${encoded(dice.pick(users))}/hold`, ...json(reason) };
}

function release(dice: Dice, world: World): Spec {
  const query = dice.pick(['', '?action=skip', '?action=retry', '?action=retry&orderId=f-1']);
  return { ...get(userPath(dice, world, `hold${query}`)), method: 'DELETE' };
}

function outcomes(dice: Dice, { cursors }: World): Spec {
  const isBehind = cursors.length > 0 && dice.chance(0.5);
  return get(`/outcomes${isBehind ? `?after=${encoded(dice.pick(cursors))}` : ''}`);
}

const others = ['/stats', '/metrics', '/health', '/livez', '/readyz', '/openapi.json', '/', '/x'];

const routes: readonly Route[] = [
  postOrder,
  postOrder,
  postOrder,
  postBatch,
  postBatch,
  (dice) => get(`/orders${oddQuery(dice)}`),
  (dice, world) => get(idPath(dice, world)),
  (dice, world) => ({ ...get(idPath(dice, world)), method: 'DELETE' }),
  (dice, world) => ({ ...get(`${idPath(dice, world)}/retry`), method: 'POST' }),
  (dice, world) => get(userPath(dice, world, `balance${dice.pick(['', '?at=0'])}`)),
  (dice, world) => get(userPath(dice, world, `movements${dice.pick(['', '?limit=2', '?from=0'])}`)),
  hold,
  release,
  (dice) => get(`/holds${dice.pick(['', '?limit=1'])}`),
  outcomes,
  (dice) => get(dice.pick(others)),
  (dice) => get(`/events${dice.pick(['', '?userId=u-1', '?userId='])}`),
];

/** Some are the ids of `world.ts`. */
const credentials = [
  'Bearer the-token-of-all',
  'Bearer the-token-of-u-1',
  'bearer the-token-of-u-1',
  'Bearer the-token-of-none',
  'Bearer the-token-of-operators',
  'Bearer guessed',
  'Bearer',
  'Basic dTpw',
  '',
];

type Mutation = (spec: Spec, dice: Dice) => void;

function ofBody(mutate: (body: Buffer, dice: Dice) => Buffer): Mutation {
  return (spec, dice) => {
    spec.body = mutate(spec.body ?? Buffer.alloc(0), dice);
  };
}

/** Puts something in place of the part of a body from one place to another. */
function spliced(body: Buffer, from: number, to: number, ...parts: (Buffer | string)[]): Buffer {
  const between = parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part));
  return Buffer.concat([body.subarray(0, from), ...between, body.subarray(to)]);
}

/** Puts another JSON text in place of one of the values of a body. */
function otherValue(body: Buffer, dice: Dice): Buffer {
  const text = body.toString('latin1');
  const values = [...text.matchAll(/:("[^"]*"|-?\d+|\{[^}]*\})/g)];
  if (values.length === 0) return body;
  const { index, 1: value = '' } = dice.pick(values);
  return spliced(body, index + 1, index + 1 + value.length, oddJson(dice));
}

function otherKey(body: Buffer, dice: Dice): Buffer {
  const key = dice.chance(0.5) ? dice.pick(['userId', 'amount', 'id']) : oddText(dice);
  const value = dice.chance(0.5) ? '1' : oddJson(dice);
  const at = body.lastIndexOf('}');
  return at === -1 ? body : spliced(body, at, at, `,${JSON.stringify(key)}:${value}`);
}

const mutations: readonly Mutation[] = [
  ofBody((body, dice) => {
    const flipped = Buffer.from(body);
    for (let left = 1 + dice.below(4); left > 0 && body.length > 0; left -= 1) {
      flipped[dice.below(body.length)] = dice.below(256);
    }
    return flipped;
  }),
  ofBody((body, dice) => body.subarray(0, dice.below(body.length + 1))),
  ofBody((body, dice) => {
    const at = dice.below(body.length + 1);
    return spliced(body, at, at, dice.bytes(1 + dice.below(8)));
  }),
  ofBody((body, dice) => {
    const from = dice.below(body.length + 1);
    return spliced(body, from, from, body.subarray(from, from + dice.below(40)));
  }),
  ofBody((body, dice) => {
    const from = dice.below(body.length + 1);
    return spliced(body, from, from + dice.below(20));
  }),
  ofBody(otherValue),
  ofBody(otherValue),
  ofBody(otherValue),
  ofBody(otherKey),
  ofBody(otherKey),
  ofBody((_, dice) => Buffer.from(oddJson(dice))),
  ofBody((body, dice) => spliced(body, 0, 0, dice.pick(['\ufeff', ' ', '\u0000', '\n', '\u2028']))),
  ofBody((body) => spliced(body, 0, 0, ' '.repeat(20_000))),
  (spec, dice) => spec.headers.push(oddHeader(dice)),
  (spec, dice) => spec.headers.push(oddHeader(dice)),
  (spec) => {
    spec.headers = spec.headers.slice(1);
  },
  (spec, dice) => {
    spec.method = dice.pick(methods);
  },
  (spec, dice) => {
    spec.path += oddQuery(dice);
  },
  (spec, dice) => {
    const segments = spec.path.split('/');
    segments[1 + dice.below(segments.length)] = oddText(dice);
    spec.path = segments.join('/');
  },
  (spec, dice) => {
    const at = dice.below(spec.path.length);
    const odd = dice.pick(['%', '/', '//', '/./', '/../', '%2f', '%00', '%25', ';', '\\', '*']);
    spec.path = `/${spec.path.slice(1, at)}${odd}${spec.path.slice(Math.max(1, at))}`;
  },
];

/** A request of a route: as it should be, if it brings orders, or mutated once or a few times. */
export function specOf(
  dice: Dice,
  world: World,
): { readonly spec: Spec; readonly isValid: boolean } {
  const spec = dice.pick(routes)(dice, world);
  if (dice.chance(0.1)) spec.headers.push(['authorization', dice.pick(credentials)]);
  if (dice.chance(0.2)) return { spec, isValid: spec.body !== undefined };
  for (let left = dice.pick([1, 1, 1, 2, 4]); left > 0; left -= 1) {
    dice.pick(mutations)(spec, dice);
  }
  return { spec, isValid: false };
}
