import { isName } from '../../order/parse-order.ts';
import { type Awaitable, asPromise, isThenable } from '../../runtime/awaitable.ts';
import { show } from '../../runtime/thrown.ts';
import type { FencedWrite } from '../requests/fenced-write.ts';
import { isHeldFailure, withJsonResults } from './held-failure.ts';
import type { HoldStorage, RetriedOrder, StoredHold, StoredHoldQuery } from './hold.ts';

/** The holds of a host's storage, believed as far as its answers can be checked. */
export class CheckedHolds implements HoldStorage {
  readonly #storage: HoldStorage;
  readonly #isJson: boolean;

  /** @param isJson - whether the storage keeps JSON alone */
  constructor(storage: HoldStorage, isJson: boolean) {
    this.#storage = storage;
    this.#isJson = isJson;
  }

  hold(hold: StoredHold): FencedWrite {
    const { failure } = hold;
    if (failure === undefined || !this.#isJson) return this.#storage.hold(hold);
    return this.#storage.hold({ ...hold, failure: withJsonResults(failure) });
  }

  release(userId: string, retried?: RetriedOrder): FencedWrite {
    return this.#storage.release(userId, retried);
  }

  holds(query: StoredHoldQuery): Awaitable<readonly StoredHold[]> {
    const page = this.#storage.holds(query);
    return isThenable(page)
      ? asPromise(page).then((late) => checked(late, query))
      : checked(page, query);
  }
}

function checked(
  page: readonly StoredHold[],
  { after, limit }: StoredHoldQuery,
): readonly StoredHold[] {
  const isPage = Array.isArray(page) && page.length <= limit;
  if (!isPage) {
    const got = Array.isArray(page) ? `${page.length}` : show(page);
    throw new TypeError(
      `Expected the storage's \`holds\` to give ${limit} at most, got \`${got}\``,
    );
  }
  // Not `every`, which passes over holes.
  for (const hold of page as readonly (StoredHold | undefined)[]) {
    const { userId, reason, heldAt, failure } = hold ?? {};
    const isHold =
      isName(userId) &&
      userId !== after &&
      Number.isSafeInteger(heldAt) &&
      (reason === undefined || typeof reason === 'string') &&
      (failure === undefined || isHeldFailure(failure));
    if (isHold) continue;
    throw new TypeError(
      `Expected the storage's \`holds\` to give holds behind ${show(after)}, got \`${show(userId)}\``,
    );
  }
  return page;
}
