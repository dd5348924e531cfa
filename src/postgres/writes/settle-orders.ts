import type { Settlement, SettlementResult } from '../../core/storage/order-storage.ts';
import { KnownBalances } from '../decisions/known-balances.ts';
import { writeApart } from '../hosts/apart.ts';
import { OnSettleError, type SettleHook } from '../hosts/settle-hook.ts';
import { settledRecord } from '../hosts/settled-record.ts';
import type { Life } from '../members/life.ts';
import type { Membership } from '../members/membership.ts';
import { isPassing, requirementOf } from '../sessions/errors.ts';
import type { Session } from '../sessions/session.ts';
import { balancesOf } from '../statements/balances.ts';
import { settlementLock } from '../values/settlement-lock.ts';
import { CallOrders } from './call-orders.ts';
import { notifyOutcomes } from './notify-outcomes.ts';
import { bitsOf, partsOf } from './owned-partitions.ts';
import { SettlementPlan } from './plan.ts';
import { Openings, settlementResults } from './settled-results.ts';
import { absentOf, type WriteSettings, type Written, writePlan } from './write-plan.ts';

/** How often a call is tried that others cross. */
const mostTries = 30;

/** After so many tries a call locks the balances before it decides. */
const triesUnlocked = 3;

/** How often the host's part is tried with all orders of a call, before it is with halves of them. */
const hookTries = 2;

/** What a call, or a part of it, has done. */
interface Done {
  readonly settlements: readonly Settlement[];
  readonly plan: SettlementPlan;
  readonly written: Written;
  readonly openings: Openings;
}

/**
 * Records outcomes and applies balances; see `OrderStorage.settle`. What becomes of an order is decided here, by what
 * balances were last; the database checks that it is right by what they are now, or nothing is done and it is decided
 * again.
 */
export class SettleOrders {
  readonly #members: Membership;
  readonly #partitions: number;
  readonly #lock: readonly [number, number];
  readonly #hook: SettleHook | undefined;
  readonly #balances = new KnownBalances();

  /** @param hook - the host's part of each transaction */
  constructor(
    members: Membership,
    schema: string,
    partitions: number,
    hook: SettleHook | undefined,
  ) {
    this.#members = members;
    this.#partitions = partitions;
    this.#lock = settlementLock(schema);
    this.#hook = hook;
  }

  /** @param isFenced - whether the processor must own the partitions of all orders */
  async settle(
    settlements: readonly Settlement[],
    isFenced = true,
  ): Promise<readonly SettlementResult[]> {
    const { life } = this.#members;
    const parts = partsOf(settlements, this.#partitions);
    const orders = new CallOrders(life.settle, settlements);
    const isLookedUp = orders.lookUp();
    if (isLookedUp !== undefined) await isLookedUp;
    const settings = {
      life,
      partitions: this.#partitions,
      lock: this.#lock,
      bits: isFenced ? bitsOf(parts) : null,
      sequences: orders.sequences,
      hasBalance: (userId: string) => this.#balances.get(userId) !== undefined,
    };
    for (let tries = 1, hookFailures = 0; ; tries += 1) {
      try {
        if (hookFailures === hookTries)
          return await this.#settleApart(settlements, orders, settings);
        const done = await this.#try(settlements, orders, settings, tries);
        this.#noteSettled(life, done, orders, parts);
        return await this.#answer(life, done);
      } catch (error) {
        if (error instanceof OnSettleError) hookFailures += 1;
        const requirement = requirementOf(error);
        if (requirement === 'lost') {
          this.#members.lost(life, parts);
          return settlements.map(() => ({ status: 'lost' }));
        }
        const mayComeAgain =
          requirement !== undefined || isPassing(error) || error instanceof OnSettleError;
        if (hookFailures > hookTries) throw error;
        if (!mayComeAgain || tries === mostTries) throw error;
        if (requirement === 'settled') await orders.lookUpAgain();
        else this.#forgetBalances(settlements);
      }
    }
  }

  #forgetBalances(settlements: readonly Settlement[]): void {
    for (const userId of usersOf(settlements)) this.#balances.forget(userId);
  }

  async #try(
    settlements: readonly Settlement[],
    orders: CallOrders,
    settings: WriteSettings,
    tries: number,
  ): Promise<Done> {
    const { settle } = settings.life;
    if (tries > triesUnlocked) {
      return settle.transaction(() => this.#writeLocked(settlements, orders, settings));
    }
    // Without a wait where nothing has to be read: the call is sent before the answer to the last one is passed on.
    const areRead = this.#readUnknown(settings.life, decisiveOf(settlements, tries));
    if (areRead !== undefined) await areRead;
    let plan = new SettlementPlan(settlements, orders, this.#balances);
    // One that is not changed must have a row, or be known to have none.
    const isRestRead = this.#readUnknown(settings.life, unchangedOf(plan));
    if (isRestRead !== undefined) {
      await isRestRead;
      plan = new SettlementPlan(settlements, orders, this.#balances);
    }
    const write = (): Promise<Done> => this.#write(settlements, plan, settings);
    const isOneStatement =
      plan.isOneStatement && this.#hook === undefined && absentOf(plan, settings).length === 0;
    return isOneStatement ? settle.alone(write) : settle.transaction(write);
  }

  /** Without the orders with which the host's part fails. */
  async #settleApart(
    settlements: readonly Settlement[],
    orders: CallOrders,
    settings: WriteSettings,
  ): Promise<readonly SettlementResult[]> {
    const { life } = settings;
    const parts = await writeApart(life.settle, settlements, (some) =>
      this.#writeLocked(some, orders, settings),
    );
    const results = new Map<Settlement, SettlementResult>();
    for (const part of parts) {
      if ('error' in part) {
        for (const each of part.settlements)
          results.set(each, { status: 'failed', error: part.error });
        continue;
      }
      this.#noteSettled(life, part, orders, partsOf(part.settlements, this.#partitions));
      for (const [at, result] of (await this.#answer(life, part)).entries()) {
        results.set(part.settlements[at] as Settlement, result);
      }
    }
    return settlements.map((each) => results.get(each) as SettlementResult);
  }

  /** In a transaction that its caller has begun: no other one changes the balances before it has ended. */
  async #writeLocked(
    settlements: readonly Settlement[],
    orders: CallOrders,
    settings: WriteSettings,
  ): Promise<Done> {
    await this.#readBalances(settings.life.settle, usersOf(settlements), true);
    const plan = new SettlementPlan(settlements, orders, this.#balances);
    return this.#write(settlements, plan, settings);
  }

  async #write(
    settlements: readonly Settlement[],
    plan: SettlementPlan,
    settings: WriteSettings,
  ): Promise<Done> {
    const written = await writePlan(plan, settings);
    const openings = new Openings(written.accounts, written.row?.openings ?? null);
    if (this.#hook !== undefined && plan.outcomes.length > 0) {
      const records = plan.outcomes.map((outcome) => settledRecord(outcome, openings));
      await this.#hook.run(settings.life.settle, records);
    }
    return { settlements, plan, written, openings };
  }

  /** Reads the balances that are not known; `undefined` if there are none. */
  #readUnknown({ settle }: Life, userIds: readonly string[]): Promise<void> | undefined {
    const users = userIds.filter((userId) => !this.#balances.has(userId));
    if (users.length === 0) return undefined;
    return settle.alone(() => this.#readBalances(settle, users, false));
  }

  async #readBalances(
    session: Session,
    users: readonly string[],
    isLocking: boolean,
  ): Promise<void> {
    const balances = await balancesOf(session, users, isLocking);
    for (const userId of users) this.#balances.set(userId, balances.get(userId));
  }

  /** What was read of the orders before is worth nothing now. */
  #noteSettled(
    life: Life,
    { settlements, plan: { treatments } }: Done,
    orders: CallOrders,
    parts: readonly number[],
  ): void {
    const sequences: number[] = [];
    const own: number[] = [];
    for (const [at, { id, isAccepted }] of settlements.entries()) {
      const kind = treatments[at]?.kind;
      const sequence = orders.sequences.get(id);
      if (!isAccepted || sequence === undefined) continue;
      if (kind !== 'settled' && kind !== 'closed') continue;
      sequences.push(sequence);
      own.push(parts[at] as number);
    }
    this.#members.settled(life, sequences, own);
  }

  async #answer(
    life: Life,
    { settlements, plan, written: { accounts, absent, row }, openings }: Done,
  ): Promise<readonly SettlementResult[]> {
    for (const account of accounts) {
      this.#balances.set(account.userId, openings.closingOf(account));
    }
    for (const { userId } of absent) this.#balances.forget(userId);
    this.#balances.shrink();
    if (row !== undefined) {
      notifyOutcomes(life, this.#members.channels, row.awaited);
      this.#members.following.applied(life);
    }
    return settlementResults(life.settle, settlements, plan, openings);
  }
}

/** Everyone whose balance completed settlements may change. */
function usersOf(settlements: readonly Settlement[]): readonly string[] {
  const users = new Set<string>();
  for (const { outcome, userId, postings } of settlements) {
    if (outcome !== 'completed') continue;
    users.add(userId);
    for (const posting of postings) users.add(posting.userId);
  }
  return [...users];
}

/** Whose balances are read before it is decided. At first, those that nothing may depend on are taken to be 0. */
function decisiveOf(settlements: readonly Settlement[], tries: number): readonly string[] {
  if (tries > 1) return usersOf(settlements);
  return usersOf(
    settlements.filter(({ amount, minBalance }) => amount < 0 && minBalance !== undefined),
  );
}

/** By whose balances something was decided that changes none. */
function unchangedOf({ accounts }: SettlementPlan): readonly string[] {
  return accounts.filter(({ isMoved }) => !isMoved).map(({ userId }) => userId);
}
