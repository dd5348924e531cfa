import { OrderProcessor } from 'order-processor';
import { Client, escapeIdentifier } from 'pg';
import type { PostgresStorageOptions } from '../../../src/postgres/open-options.ts';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';

let schemas = 0;

/** Processors on a schema of their own, and connections of the host's, with another search path. */
export class World implements AsyncDisposable {
  readonly schema: string;
  readonly #server: PostgresServer;
  readonly ran: string[] = [];
  readonly #open: { shutdown(): Promise<unknown> }[] = [];
  readonly #clients: Client[] = [];

  constructor(server: PostgresServer) {
    this.#server = server;
    schemas += 1;
    this.schema = `Host's "${schemas}"`;
  }

  async processor(
    options: object = {},
    more: Partial<PostgresStorageOptions> = {},
  ): Promise<OrderProcessor> {
    const connectionString = this.#server.url;
    const timing = { beatMs: 100, staleMs: 2_000 };
    const storage = await PostgresStorage.open({
      connectionString,
      schema: this.schema,
      ...timing,
      ...more,
    });
    const run = ({ id }: { id: string }): void => void this.ran.push(id);
    const processor = new OrderProcessor({ storage, steps: [{ name: 'work', run }], ...options });
    this.#open.push(processor);
    await processor.ready;
    return processor;
  }

  async client(begin = 'BEGIN'): Promise<Client> {
    const client = new Client({ connectionString: this.#server.url });
    client.on('error', () => {});
    await client.connect();
    this.#clients.push(client);
    await client.query(begin);
    return client;
  }

  /** The schema's name, as SQL takes it. */
  get name(): string {
    return escapeIdentifier(this.schema);
  }

  async rows(): Promise<unknown> {
    const client = await this.client();
    const { rows } =
      await client.query(`SELECT (SELECT count(*)::int FROM ${this.name}.orders) AS orders,
      (SELECT count(*)::int FROM ${this.name}.pending) AS pending`);
    await client.query('ROLLBACK');
    return rows[0];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) await client.end().catch(() => {});
    for (const each of this.#open) await each.shutdown();
  }
}
