import { createHash } from 'node:crypto';
import type { Order } from '../core/order/order.ts';
import { isOrderError, OrderError } from '../core/order/order-error.ts';
import type { OrderOutcome, OrderRecord, Receipt } from '../core/order/outcome.ts';
import { withoutCauses } from '../core/order/step-result.ts';
import { nextOrderId } from '../core/runtime/uuid-v7.ts';
import type { Movement } from '../core/storage/history/history-storage.ts';
import { type Access, checkMayActFor, isOperator, mayActFor } from './access.ts';

/** As in `parseOrder`. */
const longestId = 256;

/** A user's id that stands in a stored id as it is; any other, or a longer one, is hashed. */
const plainUser = /^[A-Za-z0-9._:@-]{1,64}$/;

/**
 * What the stored ids of a user's orders begin with: `~u-1~`, or `~!` and a hash. No prefix is the beginning
 * of another, so no two users' ids become one.
 */
export function prefixOf(userId: string): string {
  if (plainUser.test(userId)) return `~${userId}~`;
  return `~!${createHash('sha256').update(userId).digest('base64url')}~`;
}

/** The id of an order as its user's own clients see it. */
export function clientIdOf(storedId: string, userId: string): string {
  // This alone excludes most ids that no client has given.
  if (!storedId.startsWith('~')) return storedId;
  const prefix = prefixOf(userId);
  return storedId.startsWith(prefix) ? storedId.slice(prefix.length) : storedId;
}

/**
 * Translates between the ids of a client and the ids of the storage. A client that acts for all users has the ids of
 * the storage. Any other client has ids for each user: in the storage they begin with the user, so no client can use,
 * find or guess at another user's.
 */
export class ClientIds {
  readonly #access: Access;

  constructor(access: Access) {
    this.#access = access;
  }

  /** Whether the client's ids differ from the ids of the storage. */
  get isScoped(): boolean {
    return this.#access.users !== 'all';
  }

  /** An order as it is handed in. One without an id gets one here, so that it is found by the id that is answered. */
  order<T extends Order>(order: T): T {
    if (!this.isScoped) return order;
    const { userId } = order;
    const { id = nextOrderId() } = order;
    const prefix = prefixOf(userId);
    const longest = longestId - prefix.length;
    if (id.length > longest) {
      const message = `Expected at most ${longest} characters`;
      const issues = [{ path: 'id', message }];
      throw new OrderError('invalid_order', `id: ${message}`, { userId, issues });
    }
    return { ...order, id: prefix + id };
  }

  /**
   * The ids under which the storage may have an order, the likelier one first. The second is of an order that the
   * host, or a client that acts for all, has handed in for the user. An operator has the ids of the storage for users
   * that are not its own.
   *
   * @param userId - whose order, if the client says so
   * @throws HttpError `forbidden` for a user that is not the client's, unless it is an operator
   */
  candidates(id: string, userId: string | undefined): readonly string[] {
    if (userId !== undefined) {
      if (this.#isReadAsOperator(userId)) return [id];
      checkMayActFor(this.#access, userId);
    }
    const user = userId ?? this.onlyUser;
    return this.isScoped && user !== undefined ? [prefixOf(user) + id, id] : [id];
  }

  /** Whether the client may see an order of this user, when it has asked for one of `wanted`. */
  maySee(userId: string, wanted: string | undefined): boolean {
    const isSeen = isOperator(this.#access) || mayActFor(this.#access, userId);
    return isSeen && (wanted === undefined || wanted === userId);
  }

  /** Whether the client sees a user's orders as the storage has them, since it is an operator and the user not its own. */
  #isReadAsOperator(userId: string): boolean {
    return isOperator(this.#access) && !mayActFor(this.#access, userId);
  }

  /** The user for whom alone the client acts. */
  get onlyUser(): string | undefined {
    const { users } = this.#access;
    return Array.isArray(users) && users.length === 1 ? users[0] : undefined;
  }

  id(storedId: string, userId: string): string {
    return this.isScoped ? clientIdOf(storedId, userId) : storedId;
  }

  record<T extends Pick<OrderRecord, 'id' | 'userId' | 'postings' | 'steps'>>(record: T): T {
    const steps = isOperator(this.#access) ? record.steps : withoutCauses(record.steps);
    return this.#own(steps === record.steps ? record : { ...record, steps });
  }

  receipt<T extends Pick<Receipt, 'orderId' | 'userId' | 'postings'>>(receipt: T): T {
    return this.#own(receipt);
  }

  #own<T extends Pick<Receipt, 'userId'> & Partial<Pick<Receipt, 'postings' | 'results'>>>(
    of: T,
  ): T {
    const isShown = this.#access.seesResults !== false || of.results === undefined;
    const shown = isShown ? of : { ...of, results: {} };
    if (!this.isScoped || this.#isReadAsOperator(of.userId)) return shown;
    // The balances of users for whom the client does not act are not its own to see.
    return withClientId(withoutBalances(shown, (userId) => mayActFor(this.#access, userId)));
  }

  /**
   * A movement of one of the client's users. Which order of another user's client made it is not the client's to see:
   * that id begins with its user.
   */
  movement(movement: Movement): Movement {
    if (!this.isScoped) return movement;
    const { orderId, ...rest } = withClientId(movement);
    const isOthers = orderId === movement.orderId && orderId.startsWith('~');
    return (isOthers ? rest : { ...rest, orderId }) as Movement;
  }

  /** Anything thrown. */
  error<T>(thrown: T): T {
    if (!this.isScoped || !(thrown instanceof Error)) return thrown;
    const userId = isOrderError(thrown) ? thrown.userId : undefined;
    if (userId !== undefined && this.#isReadAsOperator(userId)) return thrown;
    return withClientId(thrown as T & Error, this.onlyUser);
  }

  outcome(outcome: OrderOutcome): OrderOutcome {
    if (outcome.status === 'completed') return this.#own(outcome);
    return this.isScoped ? { ...outcome, error: this.error(outcome.error) } : outcome;
  }
}

/** Without the balances of other users after an order's postings, but of those that may be seen. */
export function withoutBalances<T extends Partial<Pick<Receipt, 'postings'>>>(
  of: T,
  maySee: (userId: string) => boolean,
): T {
  const { postings } = of;
  if (postings === undefined || postings.every(({ userId }) => maySee(userId))) return of;
  const shown = postings.map((posting) =>
    maySee(posting.userId) ? posting : { ...posting, balance: undefined },
  );
  return { ...of, postings: shown };
}

interface Named {
  readonly id?: string | undefined;
  readonly orderId?: string | undefined;
  readonly userId?: string | undefined;
  readonly retryOf?: string | undefined;
  readonly retriedAs?: string | undefined;
}

/** A record, a receipt, an event or an error about an order, with the id that its user's own clients have for it. */
export function withClientId<T extends object>(of: T, fallback?: string): T {
  const { id, orderId, userId = fallback } = of as Named;
  const storedId = id ?? orderId;
  if (typeof storedId !== 'string' || userId === undefined) return of;
  const clientId = clientIdOf(storedId, userId);
  if (clientId === storedId) return of;
  if (!(of instanceof Error)) {
    const named = id === undefined ? { orderId: clientId } : { id: clientId };
    return { ...of, ...named, ...clientLinks(of, userId) };
  }
  const message = of.message
    .replaceAll(inJson(storedId), inJson(clientId))
    .replaceAll(storedId, clientId);
  // Keeps all other properties of the error, even if another copy of the package has made it.
  return Object.create(of, {
    orderId: { value: clientId, enumerable: true },
    message: { value: message },
  });
}

/** The orders that a record names, with the ids that its user's own clients have for them. */
function clientLinks({ retryOf, retriedAs }: Named, userId: string): Named {
  return {
    ...(retryOf !== undefined && { retryOf: clientIdOf(retryOf, userId) }),
    ...(retriedAs !== undefined && { retriedAs: clientIdOf(retriedAs, userId) }),
  };
}

function inJson(text: string): string {
  return JSON.stringify(text).slice(1, -1);
}
