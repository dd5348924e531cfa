import assert from 'node:assert/strict';
import type { NewOrder } from '../../core/order/stored-order.ts';
import type {
  AcceptResult,
  OrderStorage,
  Settlement,
  SettlementResult,
} from '../../core/storage/order-storage.ts';
import { assertBalance, range } from '../balances.ts';
import { type ExpectedKnown, Model, statuses } from '../model.ts';
import {
  accept,
  assertOrder,
  assertOrders,
  failure,
  idsOf,
  listed,
  newOrder,
  readUnsettled,
  settle,
  settlementOf,
  start,
} from '../orders.ts';
import { type Random, replayable } from '../random.ts';
import { someResults, someSteps } from '../samples.ts';
import type { Declare, Trial } from '../suite.ts';
import { readMovements, readSettled } from './money/settlement-rules.ts';

const users = ['u-0', 'u-1', 'u-2', '__proto__', 'rich'];

/** Declares that a storage does what the model does, in any order of calls. */
export function declareHistoryRules(
  declare: Declare<OrderStorage>,
  { seed, canReopen }: { readonly seed: number | undefined; readonly canReopen: boolean },
): void {
  declare('order rules 1 to 16', 'random calls have the results of the model', (_, trial) =>
    replayable(seed, async (random) => {
      const history = new History(trial, random);
      for (const at of range(250)) {
        try {
          if (canReopen && random.chance(1)) await trial.reopen();
          await history.callOne();
        } catch (error) {
          if (error instanceof Error) error.message = `Call ${at}: ${error.message}`;
          throw error;
        }
      }
      await history.checkAll();
    }),
  );
}

class History {
  readonly #trial: Trial<OrderStorage>;
  readonly #random: Random;
  readonly #model = new Model();
  /** By id, the order as it was handed over first. */
  readonly #orders = new Map<string, NewOrder>();
  readonly #accepted = new Set<string>();

  constructor(trial: Trial<OrderStorage>, random: Random) {
    this.#trial = trial;
    this.#random = random;
  }

  callOne(): Promise<void> {
    const dice = this.#random.integer(1, 100);
    if (dice <= 30) return this.#accept();
    if (dice <= 65) return this.#settle();
    if (dice <= 70) return this.#amend();
    if (dice <= 80) return this.#find();
    if (dice <= 95) return this.#list();
    return this.checkAll();
  }

  async checkAll(): Promise<void> {
    const { orders } = await readUnsettled(this.#storage);
    assertOrders(orders, this.#model.unsettled());
    for (const user of users)
      await assertBalance(this.#storage, user, this.#model.balances.get(user));
    for (const expected of this.#model.orders.values()) {
      assertOrder(await this.#storage.find(expected.id), expected);
    }
    const limit = this.#random.integer(1, 300);
    assert.deepEqual(idsOf(await readSettled(this.#storage, limit)), this.#model.settled);
    for (const user of users) {
      const movements = await readMovements(this.#storage, user, limit);
      assert.deepEqual(
        movements.map(({ orderId, userId, balance }) => [orderId, userId, balance]),
        this.#model.movements.filter(([, userId]) => userId === user),
      );
    }
  }

  get #storage(): OrderStorage {
    return this.#trial.storage;
  }

  async #accept(): Promise<void> {
    const orders = this.#random.many(this.#random.integer(0, 8), () => this.#newOrder());
    const expected = orders.map((order) => this.#model.accept(order));
    for (const [at, { id }] of orders.entries()) {
      if (expected[at]?.status === 'accepted') this.#accepted.add(id);
    }
    assertAnswers(await accept(this.#storage, orders), expected);
  }

  async #settle(): Promise<void> {
    const settlements = this.#random.many(this.#random.integer(1, 8), () => this.#settlement());
    const expected = settlements.map((settlement) => this.#model.settle(settlement));
    assertAnswers(await settle(this.#storage, settlements), expected);
  }

  async #amend(): Promise<void> {
    const id = this.#someId();
    const steps = someSteps.slice(0, this.#random.integer(0, 3));
    const order = this.#model.orders.get(id);
    if (order !== undefined && order.status !== 'pending') {
      this.#model.orders.set(id, { ...order, steps });
    }
    await this.#storage.amend(id, steps);
  }

  async #find(): Promise<void> {
    const id = this.#someId();
    const found = await this.#storage.find(id);
    const expected = this.#model.orders.get(id);
    if (expected === undefined) assert.equal(found, undefined);
    else assertOrder(found, expected);
  }

  async #list(): Promise<void> {
    const random = this.#random;
    const query = {
      userId: random.chance(40) ? random.pick(users) : undefined,
      status: random.chance(40) ? random.pick(statuses) : undefined,
      acceptedFrom: random.chance(20) ? this.#time() : undefined,
      acceptedBefore: random.chance(20) ? this.#time() : undefined,
      limit: random.integer(1, 20),
    };
    const behind = random.chance(60) ? await this.#storage.find(this.#someId()) : undefined;
    const orders = await listed(this.#storage, { ...query, before: behind?.sequence });
    assertOrders(orders, this.#model.list(query, behind?.id));
  }

  #newOrder(id = this.#someId()): NewOrder {
    const random = this.#random;
    const known = this.#orders.get(id);
    if (known !== undefined) return known;
    const userId = random.pick(users);
    const order = newOrder(id, {
      userId,
      amount: userId === 'rich' ? this.#greatAmount() : random.integer(-300, 300),
      priority: random.pick(['high', 'medium', 'low']),
      payload: random.pick([undefined, null, id, { id }, [id]]),
      content: random.pick([undefined, null, id, { id }]),
      labels: random.pick([[], ['one'], ['one', 'two']]),
      postings: random.chance(30) ? this.#postings(userId) : [],
      acceptedAt: this.#time(),
    });
    this.#orders.set(id, order);
    return order;
  }

  #postings(payer: string): NewOrder['postings'] {
    const random = this.#random;
    const others = users.filter((userId) => userId !== payer && random.chance(50));
    return others.map((userId) => ({
      userId,
      amount: userId === 'rich' ? random.pick([1, 2 ** 52]) : random.integer(1, 99),
    }));
  }

  #settlement(): Settlement {
    const random = this.#random;
    const order = this.#newOrder();
    const isAccepted = this.#accepted.has(order.id);
    const outcome = random.pick(['completed', 'completed', 'failed', 'canceled'] as const);
    const isCompleted = outcome === 'completed';
    return settlementOf(order, {
      isAccepted,
      outcome,
      error: isCompleted ? undefined : failure('own', `Order "${order.id}"`, random.chance(50)),
      amount: isCompleted && random.chance(30) ? Math.trunc(order.amount / 2) + 0 : order.amount,
      results: random.pick([{}, {}, { a: order.id }, someResults]),
      steps: random.chance(30) ? someSteps.slice(random.integer(0, 3)) : [],
      startedAt: isCompleted || random.chance(70) ? order.acceptedAt + 1 : undefined,
      minBalance: order.userId !== 'rich' && random.chance(70) ? random.integer(-99, 9) : undefined,
      // Only an accepted order can be left unsettled.
      isCompensable: isAccepted && random.chance(30),
      isProvisional: isAccepted && !isCompleted && random.chance(30),
    });
  }

  /** So few ids that most come again. */
  #someId(): string {
    return `o-${this.#random.integer(0, 400)}`;
  }

  #time(): number {
    return start + this.#random.integer(0, 30);
  }

  #greatAmount(): number {
    const random = this.#random;
    const amount = Number.MAX_SAFE_INTEGER - random.integer(0, 2);
    return random.pick([amount, -amount, 1, -1, 2 ** 52, -(2 ** 52)]);
  }
}

function assertAnswers(
  answers: readonly (AcceptResult | SettlementResult)[],
  expected: readonly (ExpectedKnown | { readonly status: string })[],
): void {
  assert.deepEqual(
    answers.map(({ status }) => status),
    expected.map(({ status }) => status),
  );
  for (const [at, answer] of answers.entries()) {
    const wanted = expected[at];
    assert.ok(wanted);
    if (answer.status === 'known') assertOrder(answer.order, (wanted as ExpectedKnown).order);
    else if (answer.status !== 'accepted') assert.deepEqual(answer, wanted);
  }
}
