import type { StoredOrder } from '../../core/order/stored-order.ts';
import type { DuePage, DueQuery } from '../../core/storage/due/due-orders.ts';
import type {
  PastBalance,
  SettledPage,
  SettledQuery,
  StoredBalance,
  StoredBalanceQuery,
  StoredMovementPage,
  StoredMovementQuery,
} from '../../core/storage/history/history-storage.ts';
import type { StoredHold, StoredHoldQuery } from '../../core/storage/holds/hold.ts';
import type {
  StoredOrderPage,
  StoredOrderQuery,
} from '../../core/storage/lists/stored-order-page.ts';
import type { TakeUnreadable } from '../../core/storage/reading/unreadable-orders.ts';
import type { QuerySessions } from '../sessions/query-sessions.ts';
import { balancePage } from './balances.ts';
import { checkSchema } from './check.ts';
import { Feed } from './history/feed.ts';
import { balanceAt, movementPage, readBalance } from './history/movements.ts';
import { holdOfUser, holdPage, holdPageOf } from './holds.ts';
import { findOrders } from './orders/find.ts';
import { listOrders } from './orders/list.ts';
import { countDelayed, duePage, unsettledPages } from './orders/unsettled.ts';
import { pruneOrders } from './prune.ts';

/** Reads, and the deletion of old orders. */
export class Reads {
  readonly #sessions: QuerySessions;
  readonly #takeUnreadable: TakeUnreadable;
  readonly #feed: Feed;

  constructor(sessions: QuerySessions, schema: string, takeUnreadable: TakeUnreadable) {
    this.#sessions = sessions;
    this.#takeUnreadable = takeUnreadable;
    this.#feed = new Feed(schema, takeUnreadable);
  }

  async get(userId: string): Promise<number | undefined> {
    return this.#sessions.ask((session) => readBalance(session, userId));
  }

  async find(id: string): Promise<StoredOrder | undefined> {
    const [order] = await this.#sessions.ask((session) => findOrders(session, [id]));
    return order;
  }

  async list(query: StoredOrderQuery): Promise<StoredOrderPage> {
    return this.#sessions.ask((session) => listOrders(session, query, this.#takeUnreadable));
  }

  unsettled(upTo?: number): AsyncGenerator<readonly StoredOrder[], void, undefined> {
    return unsettledPages((ask) => this.#sessions.ask(ask), this.#takeUnreadable, upTo);
  }

  async due(query: DueQuery): Promise<DuePage> {
    return this.#sessions.ask((session) => duePage(session, query, this.#takeUnreadable));
  }

  async delayed(after: number): Promise<number> {
    return this.#sessions.ask((session) => countDelayed(session, after));
  }

  async settled(query: SettledQuery): Promise<SettledPage> {
    return this.#sessions.ask((session) => this.#feed.read(session, query));
  }

  async movements(query: StoredMovementQuery): Promise<StoredMovementPage> {
    return this.#sessions.ask((session) => movementPage(session, query));
  }

  async balanceAt(userId: string, time: number): Promise<PastBalance> {
    return this.#sessions.ask((session) => balanceAt(session, userId, time));
  }

  async balances(query: StoredBalanceQuery): Promise<readonly StoredBalance[]> {
    return this.#sessions.ask((session) => balancePage(session, query));
  }

  async holds(query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return this.#sessions.ask((session) => holdPage(session, query));
  }

  async holdsOf(part: number, query: StoredHoldQuery): Promise<readonly StoredHold[]> {
    return this.#sessions.ask((session) => holdPageOf(session, part, query));
  }

  async holdOf(userId: string): Promise<StoredHold | undefined> {
    return this.#sessions.ask((session) => holdOfUser(session, userId));
  }

  async check(): Promise<readonly string[]> {
    return this.#sessions.alone(checkSchema);
  }

  async prune(settledBefore: number): Promise<number> {
    return this.#sessions.alone((session) => pruneOrders(session, settledBefore));
  }

  close(): Promise<void> {
    return this.#sessions.close();
  }
}
