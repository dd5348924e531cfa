import { setTimeout as sleep } from 'node:timers/promises';
import type { OwnedPartition, SharedPage, StoredOrder } from 'order-processor';
import { UnreadableOrders } from '../../../src/core/storage/reading/unreadable-orders.ts';
import { Membership } from '../../../src/postgres/members/membership.ts';
import type { MembershipOptions } from '../../../src/postgres/members/membership-options.ts';
import { migrate } from '../../../src/postgres/schema/migrate.ts';
import { Session } from '../../../src/postgres/sessions/session.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';

/** What a processor heard, in order. */
export type Heard =
  | readonly ['gained' | 'released' | 'lost', number]
  | readonly ['settled' | 'cancel' | 'asked' | 'answered', string];

let schemas = 0;

/** A schema of the tests' own, with its tables. */
export async function newSchema(server: PostgresServer, partitions = 8): Promise<string> {
  schemas += 1;
  const schema = `s${schemas}`;
  const session = await Session.open({ connectionString: server.url }, 'SELECT 1', () => {});
  await migrate(session, schema, partitions);
  await session.end();
  return schema;
}

/** Quick beats, so that tests are. */
export function nodeOptions(
  server: PostgresServer,
  schema: string,
  options: Partial<MembershipOptions> = {},
): MembershipOptions {
  return {
    config: { connectionString: server.url },
    schema,
    partitions: 8,
    name: 'test',
    beatMs: 100,
    staleMs: 1_000,
    ...options,
  };
}

/** A processor that hears of everything, and processes nothing. */
export class Node implements AsyncDisposable {
  readonly members: Membership;
  readonly heard: Heard[] = [];
  readonly owned = new Set<OwnedPartition>();
  readonly settled: StoredOrder[] = [];
  /** The orders that it was given, each with the partition of its page. */
  readonly given: { readonly order: StoredOrder; readonly partition: OwnedPartition }[] = [];
  /** Called with each page; the next one is asked for after that. */
  taken: (page: SharedPage) => Promise<void> | void = () => {};
  /** The ids of those that came to be canceled. */
  readonly canceled: string[] = [];
  #failure: unknown;
  isCaughtUp = false;
  /** What a handed-over partition waits for. */
  whenReleased: () => Promise<void> = async () => {};

  constructor(members: Membership) {
    this.members = members;
  }

  static async open(
    server: PostgresServer,
    schema: string,
    options: Partial<MembershipOptions> = {},
  ): Promise<Node> {
    const members = new Membership(
      nodeOptions(server, schema, options),
      new UnreadableOrders(schema).report,
    );
    await members.open();
    return new Node(members);
  }

  /** Hears from now on, and reads until all is read that was there. */
  async join(): Promise<this> {
    const { heard, owned } = this;
    this.members.join({
      gained: (partition) => {
        heard.push(['gained', partition.number]);
        owned.add(partition);
      },
      released: async (partition) => {
        heard.push(['released', partition.number]);
        owned.delete(partition);
        await this.whenReleased();
      },
      lost: (partition) => {
        heard.push(['lost', partition.number]);
        owned.delete(partition);
      },
      settled: (order) => {
        heard.push(['settled', order.id]);
        this.settled.push(order);
      },
      cancel: (id) => heard.push(['cancel', id]),
      asked: ({ id }) => heard.push(['asked', id]),
      answered: (id) => heard.push(['answered', id]),
      applied: () => {},
    });
    void this.#read();
    await until('caught up', () => this.isCaughtUp);
    return this;
  }

  get parts(): number[] {
    return [...this.owned].map(({ number }) => number).sort((one, other) => one - other);
  }

  /** Ids of the orders that it was given, in their order. */
  get ids(): string[] {
    return this.given.map(({ order }) => order.id);
  }

  idsOf(userId: string): string[] {
    return this.given.filter(({ order }) => order.userId === userId).map(({ order }) => order.id);
  }

  /** Reads all that it owns once more. */
  async #read(): Promise<void> {
    try {
      for await (const page of this.members.orders()) {
        const { orders, partition, isCaughtUp } = page;
        this.isCaughtUp ||= isCaughtUp === true;
        this.canceled.push(...(page.toCancel ?? []));
        for (const order of orders) {
          if (partition === undefined) throw new Error('A page with orders names their partition');
          if (!this.owned.has(partition)) continue;
          this.given.push({ order, partition });
        }
        await this.taken(page);
      }
    } catch (error) {
      this.#failure = error;
    }
  }

  get failure(): unknown {
    return this.#failure;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.members.close();
  }
}

export async function until(what: string, isSo: () => boolean, mostMs = 10_000): Promise<void> {
  for (const start = performance.now(); !isSo(); await sleep(5)) {
    if (performance.now() - start > mostMs) throw new Error(`Waited in vain: ${what}`);
  }
}
