import { Client } from 'pg';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { OrderStorage } from '../../../src/core/storage/order-storage.ts';
import type {
  PostgresImport,
  PostgresImportOptions,
} from '../../../src/postgres/import/import-options.ts';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { SourceFile } from './kit.ts';

/** A server to import into: each test has a schema and a source file of its own. */
export class Target {
  server!: PostgresServer;
  admin!: Client;
  file!: SourceFile;
  schema = 'import0';
  #count = 0;

  async start(): Promise<void> {
    // What it does at its own times would disturb those of the tests.
    this.server = await PostgresServer.start({ settings: { autovacuum: 'off' } });
    this.admin = new Client({ connectionString: this.server.url });
    await this.admin.connect();
  }

  async stop(): Promise<void> {
    await this.admin.end();
    await this.server[Symbol.asyncDispose]();
  }

  beginTest(): void {
    this.file = new SourceFile();
    this.#count += 1;
    this.schema = `import${this.#count}`;
  }

  async endTest(): Promise<void> {
    this.file[Symbol.dispose]();
    await this.dropSchema();
  }

  async dropSchema(): Promise<void> {
    await this.admin.query(`DROP SCHEMA IF EXISTS ${this.schema} CASCADE`);
  }

  readonly importInto = (
    source: OrderStorage,
    more: Partial<PostgresImportOptions> = {},
  ): Promise<PostgresImport> => PostgresStorage.importFrom(source, { ...this.#place, ...more });

  readonly open = (): Promise<PostgresStorage> => PostgresStorage.open(this.#place);

  get #place(): { readonly connectionString: string; readonly schema: string } {
    return { connectionString: this.server.url, schema: this.schema };
  }
}

/** The target of all tests of a file. */
export function useTarget(): Target {
  const target = new Target();
  beforeAll(() => target.start(), 30_000);
  afterAll(() => target.stop());
  beforeEach(() => target.beginTest());
  afterEach(() => target.endTest());
  return target;
}
