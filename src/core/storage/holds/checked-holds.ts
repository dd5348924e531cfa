import { isName } from '../../order/parse-order.ts';
import { type Awaitable, asPromise, isThenable } from '../../runtime/awaitable.ts';
import { show } from '../../runtime/thrown.ts';
import type { Hold, HoldStorage, RetriedOrder, StoredHoldQuery } from './hold.ts';

/** The holds of a host's storage, believed as far as its answers can be checked. */
export class CheckedHolds implements HoldStorage {
  readonly #storage: HoldStorage;

  constructor(storage: HoldStorage) {
    this.#storage = storage;
  }

  hold(hold: Hold): Awaitable<void> {
    return this.#storage.hold(hold);
  }

  release(userId: string, retried?: RetriedOrder): Awaitable<void> {
    return this.#storage.release(userId, retried);
  }

  holds(query: StoredHoldQuery): Awaitable<readonly Hold[]> {
    const page = this.#storage.holds(query);
    return isThenable(page)
      ? asPromise(page).then((late) => checked(late, query))
      : checked(page, query);
  }
}

function checked(page: readonly Hold[], { after, limit }: StoredHoldQuery): readonly Hold[] {
  const isPage = Array.isArray(page) && page.length <= limit;
  if (!isPage) {
    const got = Array.isArray(page) ? `${page.length}` : show(page);
    throw new TypeError(
      `Expected the storage's \`holds\` to give ${limit} at most, got \`${got}\``,
    );
  }
  // Not `every`, which passes over holes.
  for (const hold of page as readonly (Hold | undefined)[]) {
    const { userId, reason, heldAt } = hold ?? {};
    const isHold =
      isName(userId) &&
      userId !== after &&
      Number.isSafeInteger(heldAt) &&
      (reason === undefined || typeof reason === 'string');
    if (isHold) continue;
    throw new TypeError(
      `Expected the storage's \`holds\` to give holds behind ${show(after)}, got \`${show(userId)}\``,
    );
  }
  return page;
}
