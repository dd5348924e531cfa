import { createHash, timingSafeEqual } from 'node:crypto';
import { noPostings, type OrderFields, type Posting } from '../core/order/order.ts';
import type { Awaitable } from '../core/runtime/awaitable.ts';
import { wrong } from '../core/runtime/checks.ts';
import { forbidden, HttpError } from './http-error.ts';

/** What a client may do. */
export interface Access {
  /**
   * For which users it may act: their ids, a function that says so, or `'all'`. A client with `'all'` uses the ids of
   * orders as the storage has them; any other client has ids for each user, which never mean another user's
   * orders.
   */
  readonly users: 'all' | readonly string[] | ((userId: string) => boolean);
  /**
   * Whether it may hand in orders, of any payload, and failed ones once more (`retry`). True by default. Say no where routes
   * of your own make the orders of the client, as with `answerOrder`, which does not ask; the client still reads and cancels
   * the orders of its users.
   */
  readonly mayOrder?: boolean | undefined;
  /**
   * Whether its orders may add money to the balances of its users: an `amount` above 0, or `postings` for which the
   * amount does not pay. By default if it may act for all, or is an operator. Any other client spends and transfers:
   * the `amount` of its orders is at most 0, and pays for all of their postings.
   */
  readonly mayAddMoney?: boolean | undefined;
  /**
   * Other users whose balances its orders may add to by `postings`: their ids, a function that says so, or `'all'`.
   * None by default. The client does not see the balances of those users.
   */
  readonly mayCredit?: 'all' | readonly string[] | ((userId: string) => boolean) | undefined;
  /**
   * Whether it sees what steps have returned: `results` of receipts and records. True by default. Say no where a step
   * returns what is not for a client, as the whole answer of a payment provider.
   */
  readonly seesResults?: boolean | undefined;
  /**
   * Whether it may read what is about all users (`/stats`, `/metrics`, the events of all users, holds, each order by its
   * id), and hold and release lanes and run failed compensations once more. By default if it may act for all. It has
   * orders of users for whom it does not act by the ids of the storage, as holds and events show them.
   */
  readonly isOperator?: boolean | undefined;
  /**
   * `'read'`: the client changes nothing, over HTTP, over gRPC and in a dashboard: it hands in, cancels and retries no
   * orders, and holds and releases no lanes. `'operate'`: in a dashboard it cancels and retries orders of its users too;
   * elsewhere that changes nothing. By default `'operate'` in a dashboard for operators, else `'read'` there; over HTTP and
   * gRPC only a `'read'` that is named counts.
   */
  readonly role?: 'read' | 'operate' | undefined;
  /**
   * The client's name, for what is bounded for each client: `events.readersPerClient`. By default a client is known
   * by its list of users; give a name where `users` is a function.
   */
  readonly client?: string | undefined;
}

/**
 * Returns what the client of a request may do, or `undefined` if nothing (401). May throw an {@link HttpError} to
 * answer something else. It must not read the body.
 */
export type Authenticate = (request: Request) => Awaitable<Access | undefined>;

/** The access of every client where there is no `authenticate`. */
export const everything: Access = { users: 'all' };

export function isOperator({ users, isOperator = users === 'all' }: Access): boolean {
  return isOperator;
}

/**
 * Whether a client may act for a user, for a route of a host's own.
 *
 * @param access - what the client may do
 * @param userId - the user; all of them if `undefined`
 */
export function mayActFor({ users }: Access, userId: string | undefined): boolean {
  if (users === 'all') return true;
  return userId !== undefined && includes(users, userId);
}

function includes(users: Access['users'], userId: string): boolean {
  if (users === 'all') return true;
  return typeof users === 'function' ? users(userId) === true : users.includes(userId);
}

/** @throws HttpError `forbidden` */
export function checkMayActFor(access: Access, userId: string | undefined): void {
  if (mayActFor(access, userId)) return;
  throw forbidden(
    userId === undefined ? 'Name a `userId` that you may act for' : 'You may not act for this user',
  );
}

/**
 * Checks that a client may hand in an order. The orders of most clients move money and make none: rules on the amount of
 * an order hold for what it credits then, too. What is no order yet is refused by the processor.
 *
 * @throws HttpError `forbidden`
 */
export function checkMayOrder(
  access: Access,
  { userId, amount, postings = noPostings }: OrderFields,
): void {
  checkMayActFor(access, userId);
  checkMayWrite(access);
  if (access.mayOrder === false) throw forbidden('You may not hand in orders here');
  if (postings.length > 0) checkMayCredit(access, postings);
  if (mayAddMoney(access)) return;
  const most = postings.reduce((left, posting) => left - posting.amount, 0);
  if (amount <= most) return;
  const expected = postings.length > 0 ? `${most}, which pays for all \`postings\`` : '0';
  throw forbidden(
    `You may not add money: expected \`amount\` to be at most ${expected}, got ${amount}; to add money, the access of the client needs \`mayAddMoney: true\``,
  );
}

function mayAddMoney(access: Access): boolean {
  return access.mayAddMoney ?? (access.users === 'all' || isOperator(access));
}

/** @throws HttpError `forbidden` */
function checkMayCredit(access: Access, postings: readonly Posting[]): void {
  const { mayCredit = [] } = access;
  for (const [at, { userId }] of postings.entries()) {
    if (mayActFor(access, userId) || includes(mayCredit, userId)) continue;
    throw forbidden(`You may not credit the user of \`postings[${at}]\``);
  }
}

/** @throws HttpError `forbidden` */
export function checkOperator(access: Access, message = 'This is for operators'): void {
  if (!isOperator(access)) throw forbidden(message);
}

/**
 * For what only operators change: holds, releases and compensations.
 *
 * @throws HttpError `forbidden`
 */
export function checkMayOperate(access: Access, message?: string): void {
  checkOperator(access, message);
  checkMayWrite(access);
}

/** @throws HttpError `forbidden` for a client that only reads */
export function checkMayWrite({ role }: Access): void {
  if (role === 'read') throw forbidden('You may read, and change nothing');
}

export function unauthorized(): HttpError {
  return new HttpError(401, 'unauthorized', 'Expected credentials', {
    headers: { 'www-authenticate': 'Bearer' },
  });
}

/** So that an unset variable of the environment, or a word, is no token. */
const leastTokenLength = 16;

/**
 * Authenticates by `Authorization: Bearer TOKEN`. The time it takes does not depend on the tokens.
 *
 * @param tokens - each with what its client may do; a token has 16 characters or more
 * @throws TypeError for tokens that are none, or too short
 *
 * @example
 * ```ts
 * import { OrderProcessor } from 'order-processor';
 * import { bearer, createOrderApp } from 'order-processor/http';
 *
 * const authenticate = bearer({
 *   'an-operators-long-random-token': { users: 'all' },
 *   'the-long-random-token-of-u-1': { users: ['u-1'] },
 * });
 * const app = createOrderApp(new OrderProcessor(), { authenticate });
 * const headers = { authorization: 'Bearer the-long-random-token-of-u-1' };
 * const response = await app.request('/users/u-2/balance', { headers });
 * console.log(response.status); // prints: 403
 * ```
 */
export function bearer(tokens: Readonly<Record<string, Access>>): Authenticate {
  const isObject = typeof tokens === 'object' && tokens !== null;
  if (!isObject || Object.keys(tokens).length === 0) {
    // Not what came: it may be the token itself, and errors are logged.
    const got = isObject ? 'none' : `a ${typeof tokens}`;
    throw new TypeError(`Expected \`tokens\` to be an object with tokens, got ${got}`);
  }
  const known = Object.entries(tokens).map(([token, access]) => {
    if (token.length < leastTokenLength) {
      // Not the token itself: errors are logged.
      throw new TypeError(`Expected tokens of ${leastTokenLength} characters or more`);
    }
    return { digest: digestOf(token), access: checkAccess(access) };
  });
  return ({ headers }) => {
    const [, token = ''] = /^bearer +(\S+) *$/i.exec(headers.get('authorization') ?? '') ?? [];
    const digest = digestOf(token);
    // Compares with every token, so that the time does not depend on which one it is.
    const found = known.filter((each) => timingSafeEqual(each.digest, digest));
    return found[0]?.access;
  };
}

/** Of the same length for all, as the comparison wants it. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

/** @throws TypeError that does not show what came, which may be a token */
export function checkAuthenticate(authenticate: unknown): void {
  if (authenticate === undefined || typeof authenticate === 'function') return;
  throw new TypeError(
    `Expected \`authenticate\` to be a function, got a value of type ${typeof authenticate}`,
  );
}

/** @throws TypeError for what an `authenticate` must not answer */
export function checkAccess(access: Access): Access {
  const { users, mayCredit, role, client, ...rest } = Object(access) as Partial<Access>;
  const { isOperator, mayOrder, mayAddMoney, seesResults, ...unknown } = rest;
  checkUsers('access.users', users);
  if (mayCredit !== undefined) checkUsers('access.mayCredit', mayCredit);
  if (client !== undefined && typeof client !== 'string') {
    throw wrong(TypeError, 'access.client', 'a string', client);
  }
  if (role !== undefined && role !== 'read' && role !== 'operate') {
    throw wrong(TypeError, 'access.role', "'read' or 'operate'", role);
  }
  // A word of the environment, `'false'` too, would be taken for yes.
  for (const [name, value] of Object.entries({ isOperator, mayOrder, mayAddMoney, seesResults })) {
    if (value !== undefined && typeof value !== 'boolean') {
      throw wrong(TypeError, `access.${name}`, 'a boolean', value);
    }
  }
  // A misspelled field would leave the client more than it should have.
  for (const name of Object.keys(unknown)) {
    throw new TypeError(`Expected the fields of an access to be among ${fields}, got \`${name}\``);
  }
  return access;
}

const fields = 'users, mayOrder, mayAddMoney, mayCredit, seesResults, isOperator, role and client';

function checkUsers(name: string, users: unknown): void {
  const isValid =
    users === 'all' ||
    typeof users === 'function' ||
    (Array.isArray(users) && users.every((id) => typeof id === 'string'));
  if (!isValid) throw wrong(TypeError, name, "'all', a list of user ids or a function", users);
}
