import type { Awaitable } from '../../runtime/awaitable.ts';

/**
 * What a write answers that belongs to a user: nothing when it is done, and `'lost'` if several processors share the
 * storage and this one does not own the user's partition. Nothing has changed then: see {@link SharedOrders}.
 */
// biome-ignore lint/suspicious/noConfusingVoidType: a function of a host without a result is one as well
export type FencedWrite = Awaitable<void | 'lost'>;
