import { setTimeout as sleep } from 'node:timers/promises';
import type { OwnedPartition, StoredOrder } from 'order-processor';
import type { Life } from '../../../src/postgres/members/life.ts';
import type { Membership } from '../../../src/postgres/members/membership.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';
import { randomFrom } from '../../kit/random.ts';
import { Node, newSchema, until } from './kit.ts';
import { accept, type RawOrder, sendAccept, settle } from './raw-writes.ts';

const partitions = 4;

/** An order as its caller knows it; times are places in one log of events. */
interface Called {
  readonly id: string;
  readonly userId: string;
  readonly calledAt: number;
  acceptedAt: number | undefined;
}

/** A processor that settles what it is given, one order of a user after the other. */
class Worker {
  readonly node: Node;
  readonly #lanes = new Map<string, StoredOrder[]>();
  readonly #model: Model;

  constructor(node: Node, model: Model) {
    this.node = node;
    this.#model = model;
    node.taken = async ({ orders, partition }) => {
      if (partition === undefined) return;
      for (const order of orders) this.#take(order, partition);
      if (model.random() < 0.3) await sleep(model.random() * 40);
    };
  }

  get members(): Membership {
    return this.node.members;
  }

  #take(order: StoredOrder, partition: OwnedPartition): void {
    if (!this.node.owned.has(partition)) return;
    this.#model.given(order, partition);
    const lane = this.#lanes.get(order.userId);
    if (lane !== undefined) {
      lane.push(order);
      return;
    }
    this.#lanes.set(order.userId, [order]);
    void this.#run(order.userId, partition);
  }

  async #run(userId: string, partition: OwnedPartition): Promise<void> {
    const lane = this.#lanes.get(userId) as StoredOrder[];
    while (lane.length > 0 && this.node.owned.has(partition)) {
      const count = 1 + Math.floor(this.#model.random() * 3);
      const batch = lane.slice(0, count);
      const life = this.life();
      if (life === undefined) break;
      if (this.#model.random() < 0.3) await sleep(this.#model.random() * 5);
      try {
        await settle(this.members, life, batch, partitions);
      } catch (error) {
        this.#model.refused((error as Error).message);
        break;
      }
      lane.splice(0, batch.length);
    }
    this.#lanes.delete(userId);
    // What came for a later time of the partition.
    for (const order of lane) {
      const later = [...this.node.owned].find(({ number }) => number === partition.number);
      if (later !== undefined && later !== partition) this.#take(order, later);
    }
  }

  /** The one that there is. */
  life(): Life | undefined {
    try {
      return this.members.life;
    } catch {
      return undefined;
    }
  }
}

/** Random processors that join, leave and die, and callers that hand orders in at any of them. */
export class Model {
  readonly random: () => number;
  readonly called = new Map<string, Called>();
  readonly problems = new Set<string>();
  /** How many pairs of orders were compared. */
  pairs = 0;
  /** How often the fence refused something, and other errors. */
  readonly refusals = new Map<string, number>();
  readonly #server: PostgresServer;
  #schema = '';
  #log = 0;
  #workers: Worker[] = [];
  readonly #given = new Map<OwnedPartition, string[]>();
  #isOver = false;

  constructor(server: PostgresServer, seed: number) {
    this.#server = server;
    this.random = randomFrom(seed);
  }

  given({ id }: StoredOrder, partition: OwnedPartition): void {
    const ids = this.#given.get(partition) ?? [];
    if (ids.includes(id)) this.problems.add(`${id} was given twice`);
    ids.push(id);
    this.#given.set(partition, ids);
  }

  refused(message: string): void {
    this.refusals.set(message, (this.refusals.get(message) ?? 0) + 1);
    if (message === 'settled') this.problems.add('an order was given that was settled before');
  }

  async run(forMs: number): Promise<void> {
    this.#schema = await newSchema(this.#server, partitions);
    for (let at = 0; at < 2; at += 1) await this.#join();
    const users = Array.from({ length: 4 }, (_, at) => `u-${at}`);
    const callers = users.flatMap((userId) => [1, 2, 3, 4].map((of) => this.#call(userId, of)));
    const end = performance.now() + forMs;
    while (performance.now() < end) {
      await sleep(50 + this.random() * 200);
      await this.#change();
    }
    this.#isOver = true;
    await Promise.all(callers);
    const accepted = [...this.called.values()].filter(({ acceptedAt }) => acceptedAt !== undefined);
    const session = await Session.open(
      { connectionString: this.#server.url },
      `SET search_path = ${this.#schema}`,
      () => {},
    );
    const settled = async (): Promise<string[]> => {
      const text = 'SELECT id FROM outcomes JOIN orders USING (seq) ORDER BY settlement';
      return (await session.query<{ id: string }>(text)).map(({ id }) => id);
    };
    const left = async (): Promise<string[]> => {
      const ids = new Set(await settled());
      return accepted.filter(({ id }) => !ids.has(id)).map(({ id }) => id);
    };
    for (let tries = 0; (await left()).length > 0 && tries < 200; tries += 1) await sleep(50);
    for (const id of await left()) this.problems.add(`${id} was not settled`);
    for (const { members, node } of this.#workers) {
      if (node.failure !== undefined) this.problems.add(`reading failed: ${node.failure}`);
      await members.close();
    }
    for (const ids of this.#given.values()) this.#compare(ids, 'given');
    this.#compare(await settled(), 'settled');
    await session.end();
  }

  /** What was accepted before another order of its user was handed in comes before it. */
  #compare(ids: readonly string[], what: string): void {
    const orders = ids.map((id) => this.called.get(id) as Called);
    for (const [at, later] of orders.entries()) {
      for (const earlier of orders.slice(0, at)) {
        if (earlier.userId !== later.userId) continue;
        this.pairs += 1;
        if ((later.acceptedAt ?? Number.POSITIVE_INFINITY) < earlier.calledAt) {
          this.problems.add(`${earlier.id} was ${what} before ${later.id}`);
        }
      }
    }
  }

  async #join(): Promise<void> {
    const options = {
      partitions,
      beatMs: 50,
      staleMs: 2_000,
      bounds: { page: 20, noted: 12, user: 6 },
    };
    const node = await Node.open(this.#server, this.#schema, { ...options, sweepMs: 300 });
    const worker = new Worker(node, this);
    this.#workers.push(worker);
    await node.join();
  }

  async #change(): Promise<void> {
    const [first] = this.#workers;
    const what = this.random();
    if (this.#workers.length < 2 || (what < 0.35 && this.#workers.length < 4)) {
      await this.#join();
    } else if (what < 0.55 && first !== undefined) {
      this.#workers.shift();
      first.members.leave();
      await until('it has handed over', () => first.node.owned.size === 0);
      await first.members.close();
    } else if (what < 0.75 && first !== undefined) {
      this.#workers.shift();
      first.life()?.destroy();
      first.node.owned.clear();
      await first.members.close();
    } else if (what < 0.9) {
      const at = Math.floor(this.random() * this.#workers.length);
      this.#workers[at]?.life()?.settle.destroy();
      await sleep(100);
    }
  }

  /** One order after the other, at any processor. */
  async #call(userId: string, caller: number): Promise<void> {
    for (let at = 0; !this.#isOver; at += 1) {
      const count = this.random() < 0.2 ? 4 : 1;
      const orders = Array.from({ length: count }, (_, n) => ({
        id: `${userId}-${caller}-${at}-${n}`,
        userId,
      }));
      const called = orders.map((order) => {
        this.#log += 1;
        const each: Called = { ...order, calledAt: this.#log, acceptedAt: undefined };
        this.called.set(order.id, each);
        return each;
      });
      const worker = this.#workers[Math.floor(this.random() * this.#workers.length)];
      try {
        if (worker !== undefined) await this.#accept(worker.members, orders);
        this.#log += 1;
        for (const each of called) each.acceptedAt = this.#log;
      } catch {
        // It may be kept all the same; nothing follows from it.
        await sleep(10);
      }
      await sleep(this.random() * 3);
    }
  }

  async #accept(members: Membership, orders: readonly RawOrder[]): Promise<void> {
    const { life } = members;
    if (this.random() < 0.7) {
      await life.accept.alone(() => accept(members, orders, partitions));
      return;
    }
    // One that draws its sequences long before it commits.
    await life.accept.alone(async () => {
      await life.accept.query('BEGIN');
      const sent = sendAccept(life, members, orders, partitions);
      await sent.kept;
      await life.accept.query('SELECT pg_sleep($1)', [this.random() / 40]);
      await life.accept.query('COMMIT');
      await sent.note();
    });
  }
}
