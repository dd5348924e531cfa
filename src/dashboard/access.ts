import type { Awaitable } from '../core/runtime/awaitable.ts';
import type { Access } from '../server/access.ts';

/** What a person may see and do in a dashboard. */
export interface DashboardAccess extends Access {
  /**
   * `'read'`: sees and does nothing. `'operate'`: cancels, retries, holds, releases, and pauses the processor if it sees
   * all users. By default `'operate'` for operators (see `isOperator`), else `'read'`.
   */
  readonly role?: 'read' | 'operate' | undefined;
}

/**
 * Returns what the person behind a request may see and do, or `undefined` if nothing (401). It must not read the body. It
 * is asked again for a page that stays open, about once a minute.
 */
export type DashboardAuthenticate = (request: Request) => Awaitable<DashboardAccess | undefined>;
