import assert from 'node:assert/strict';
import type { BalanceStorage } from '../core/storage/balance-storage.ts';
import type { OrderStorage } from '../core/storage/order-storage.ts';
import type { BalanceStorageCheckOptions } from './options.ts';
import { Member } from './shared/member.ts';

/** One test's storage. */
export interface Trial<Storage> {
  /** The storage: another one after `reopen`. */
  readonly storage: Storage;
  /** The processor of a shared storage, which has joined. */
  readonly member: Member | undefined;
  /** Another processor of a shared storage, which has joined. */
  beside(): Promise<Member>;
  /** Closes it before the end of the test, where that happens anyway. */
  close(): Promise<void>;
  /** Closes it and opens what it kept. */
  reopen(): Promise<Storage>;
}

/**
 * Checks one claim.
 *
 * @param storage - a new one
 */
export type Check<Storage> = (storage: Storage, trial: Trial<Storage>) => Promise<void>;

/** Declares a check under the rule that it defends. */
export type Declare<Storage> = (rule: string, claim: string, check: Check<Storage>) => void;

/** For a check that neither closes its storage nor opens it again. */
export type DeclarePlain<Storage> = (
  rule: string,
  claim: string,
  check: (storage: Storage) => Promise<void>,
) => void;

type Options<Storage extends BalanceStorage> = BalanceStorageCheckOptions<Storage> & {
  readonly reopen?: ((closed: Storage) => Storage | PromiseLike<Storage>) | undefined;
  readonly beside?: ((storage: Storage) => Storage | PromiseLike<Storage>) | undefined;
};

/** Declares checks with the host's `test`, each with a storage of its own. */
export function declareWith<Storage extends BalanceStorage>(
  options: Options<Storage>,
): Declare<Storage> {
  return (rule, claim, check) => {
    options.test(`${rule}: ${claim}`, async () => {
      const trial = new StorageTrial(options, await options.create());
      try {
        await trial.begin();
        await check(trial.storage, trial);
      } catch (broken) {
        // An error at the end is a consequence then, and would hide the cause.
        await trial.end().catch(() => undefined);
        throw broken;
      }
      await trial.end();
    });
  };
}

class StorageTrial<Storage extends BalanceStorage> implements Trial<Storage> {
  storage: Storage;
  member: Member | undefined;
  readonly #options: Options<Storage>;
  #other: BalanceStorage | undefined;
  #isClosed = false;

  constructor(options: Options<Storage>, storage: Storage) {
    this.#options = options;
    this.storage = storage;
  }

  /** A processor joins a shared storage before it does anything else. */
  async begin(): Promise<void> {
    const storage: Partial<OrderStorage> = this.storage;
    if (storage.shared === undefined) return;
    this.member = await new Member(storage as OrderStorage).join();
  }

  async beside(): Promise<Member> {
    const { beside } = this.#options;
    assert.ok(beside, 'The check needs `beside`');
    const other: BalanceStorage = await beside(this.storage);
    this.#other = other;
    return new Member(other as OrderStorage).join();
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    await this.#other?.close?.();
    await this.storage.close?.();
  }

  async reopen(): Promise<Storage> {
    const { reopen } = this.#options;
    assert.ok(reopen, 'The check needs `reopen`');
    await this.close();
    this.storage = await reopen(this.storage);
    this.#isClosed = false;
    await this.begin();
    return this.storage;
  }

  async end(): Promise<void> {
    try {
      await this.close();
    } finally {
      await this.#options.destroy?.(this.storage);
    }
  }
}

/** Asserts that a call throws or rejects. */
export async function assertFails(call: () => unknown, message: string): Promise<void> {
  await assert.rejects(async () => {
    await call();
  }, message);
}
