import { hostname } from 'node:os';
import type { ClientConfig } from 'pg';
import {
  checkFunction,
  checkInteger,
  checkOptions,
  checkTimeout,
  wrong,
} from '../core/runtime/checks.ts';
import { checkRetainBounds } from '../core/storage/history/retain-bounds.ts';
import type { OnSettle } from './hosts/on-settle.ts';
import { checkPartitions, checkSchema } from './schema/schema-options.ts';

/** Which settled orders a schema keeps; one that misses either bound is not kept. At least one is to be given. */
export interface PostgresRetainOptions {
  /**
   * For how many days of 24 hours an order is kept after the server has recorded its outcome: a number above 0, fractions
   * included, up to 36 500. The clock of the server counts, and those of the processors do not. Choose more than any caller waits before it submits an id again. No bound by default.
   */
  readonly days?: number | undefined;
  /**
   * How much the rows of orders, their outcomes and their credits may take with their indexes, in bytes: an integer from
   * 1 048 576 up. It is an estimate from statistics of the server. What is free in the files does not count: vacuum makes it
   * usable again, and the files do not shrink. What was settled in the last ten minutes stays in any case. No bound by
   * default.
   */
  readonly bytes?: number | undefined;
}

/**
 * The options of a {@link PostgresStorage}.
 *
 * @example
 * ```ts
 * import { PostgresStorage, type PostgresStorageOptions } from 'order-processor/postgres';
 *
 * const options: PostgresStorageOptions = {
 *   pg: { host: 'db.internal', database: 'shop', user: 'app', ssl: true },
 *   schema: 'orders',
 *   name: 'web-1',
 * };
 * export const open = () => PostgresStorage.open(options);
 * ```
 */
export interface PostgresStorageOptions {
  /** The database, as `postgres://user@host:5432/database`. Either this or `pg` is needed. */
  readonly connectionString?: string | undefined;
  /**
   * The database as a `Client` of `pg` takes it: host, password as a function, TLS and certificates, for example. Names
   * of applications are set by the storage.
   */
  readonly pg?: ClientConfig | undefined;
  /**
   * The schema that has the tables: 1 to 63 bytes, not beginning with `pg_`. It is made where there is none. Default
   * `'order_processor'`.
   */
  readonly schema?: string | undefined;
  /**
   * Into how many partitions the users are divided: a power of two from 1 to 64. So many processors at most can have
   * orders to process. Stands when the schema is made, and never changes. Default 64.
   */
  readonly partitions?: number | undefined;
  /** What the processor is called, for people: 1 to 40 characters. Two may have one name. The host's name by default. */
  readonly name?: string | undefined;
  /** How often the processor says that it is alive, in milliseconds: an integer from 10 up. Default 500. */
  readonly beatMs?: number | undefined;
  /**
   * After how long without such a sign other processors take its partitions, by the server's clock, in milliseconds: an
   * integer from 4 times `beatMs` up. All processors should have the same. Default 5 000.
   */
  readonly staleMs?: number | undefined;
  /**
   * For how long the orders of a partition that have begun may go on when it is handed over to another processor, in
   * milliseconds: an integer from 1 up. Others begin none of the partition's orders meanwhile. After that it is lost:
   * what runs is aborted, and the next owner runs those orders again, with a higher `attempt`. Choose more than your
   * steps take. Default 30 000.
   */
  readonly handOverMs?: number | undefined;
  /**
   * Runs the host's own statements in each transaction that settles orders: they hold if and only if the outcomes do. What
   * it throws rolls both back, and the settlement is tried again; see {@link OnSettle}. None by default.
   */
  readonly onSettle?: OnSettle | undefined;
  /**
   * For how long `onSettle` may run, in milliseconds: an integer from 1 up. No order is settled meanwhile. After that it
   * counts as failed; the server ends a statement of it after as long. Default 5 000.
   */
  readonly onSettleTimeoutMs?: number | undefined;
  /**
   * Deletes settled orders by itself, those first that were settled first; one processor at a time does it, a few
   * hundred orders in a transaction. Deleted ids are forgotten: one that comes again is a new order. Orders that are not
   * settled, holds and balances stay. By default all is kept. All processors should have the same.
   */
  readonly retain?: PostgresRetainOptions | undefined;
  /**
   * Whether `open` makes the tables and brings them to the version of this release. `false`: it rejects where
   * they are of another version. Default `true`.
   */
  readonly migrate?: boolean | undefined;
}

/** What a storage is opened with, the defaults filled in. */
export interface CheckedOptions {
  readonly config: ClientConfig;
  readonly schema: string;
  /** `undefined` for what the schema has. */
  readonly partitions: number | undefined;
  readonly name: string;
  readonly beatMs: number;
  readonly staleMs: number;
  readonly handOverMs: number;
  readonly onSettle: OnSettle | undefined;
  readonly onSettleTimeoutMs: number;
  readonly retain: PostgresRetainOptions | undefined;
  readonly migrate: boolean;
}

const optionNames = [
  'connectionString',
  'pg',
  'schema',
  'partitions',
  'name',
  'beatMs',
  'staleMs',
  'handOverMs',
  'onSettle',
  'onSettleTimeoutMs',
  'retain',
  'migrate',
] satisfies (keyof PostgresStorageOptions)[];

/**
 * No message has a value of `connectionString` or `pg`: they may have a password.
 *
 * @throws TypeError or RangeError for a wrong option
 */
export function checkedOptions(options: PostgresStorageOptions): CheckedOptions {
  checkOptions('PostgresStorage', options, optionNames);
  const { schema = 'order_processor', partitions, name = hostname() } = options;
  const { beatMs = 500, staleMs = Math.max(5_000, 4 * beatMs) } = options;
  const { handOverMs = 30_000, migrate = true, onSettle, onSettleTimeoutMs = 5_000 } = options;
  checkSchema(schema);
  if (partitions !== undefined) checkPartitions(partitions);
  if (typeof name !== 'string' || name === '' || name.length > 40 || name.includes('\0')) {
    if (options.name !== undefined) throw wrong(TypeError, 'name', '1 to 40 characters', name);
  }
  checkTimeout('beatMs', beatMs);
  checkInteger('beatMs', beatMs, 10);
  checkTimeout('staleMs', staleMs);
  checkInteger('staleMs', staleMs, 4 * beatMs);
  checkTimeout('handOverMs', handOverMs);
  if (onSettle !== undefined) checkFunction('onSettle', onSettle);
  checkTimeout('onSettleTimeoutMs', onSettleTimeoutMs);
  const { retain } = options;
  if (retain !== undefined) checkRetainBounds(retain);
  if (typeof migrate !== 'boolean') throw wrong(TypeError, 'migrate', 'a boolean', migrate);
  const config = configOf(options);
  const times = { beatMs, staleMs, handOverMs, onSettleTimeoutMs };
  return {
    config,
    schema,
    partitions,
    name: name.slice(0, 40),
    ...times,
    onSettle,
    retain,
    migrate,
  };
}

function configOf({ connectionString, pg }: PostgresStorageOptions): ClientConfig {
  if ((connectionString === undefined) === (pg === undefined)) {
    const got = pg === undefined ? 'none' : 'both';
    throw new TypeError(`Expected one of \`connectionString\` and \`pg\`, got ${got}`);
  }
  if (pg !== undefined) {
    if (typeof pg === 'object' && pg !== null && !('connect' in pg)) return pg;
    throw new TypeError('Expected `pg` to be what `new Client` of `pg` takes, and no client');
  }
  if (typeof connectionString === 'string' && /^postgres(ql)?:\/\//.test(connectionString)) {
    return { connectionString };
  }
  throw new TypeError('Expected `connectionString` to begin with `postgres://`');
}
