import { setTimeout as sleep } from 'node:timers/promises';
import { Client, type QueryResultRow } from 'pg';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';

/** The schema of the orders. */
export const schema = 'orders';

/**
 * Workers connect by these: those of one role may end each other's sessions, others may not. What those of the first one
 * accept is committed late: long after it has drawn its numbers.
 */
export const roles = ['chaos_a', 'chaos_b', 'chaos_c'] as const;

/**
 * What the database itself has seen: runs of steps, what consumers have stored, and writes of processors that did not
 * own the order. Triggers make some transactions slow: so some commit long after they have drawn their numbers.
 */
const tables = (seed: number, slowMs: number): string => `
CREATE SCHEMA chaos;
CREATE TABLE chaos.runs (at bigserial PRIMARY KEY, run text NOT NULL, event text NOT NULL, user_id text NOT NULL,
  order_id text NOT NULL, step text NOT NULL, key text NOT NULL, paid_by text NOT NULL, worker text NOT NULL,
  epoch integer, held_by text, written_at timestamptz NOT NULL DEFAULT clock_timestamp(), UNIQUE (run, event));
CREATE VIEW chaos.holds AS SELECT user_id, hold::jsonb ->> 'orderId' AS order_id, hold::jsonb ? 'reason' AS is_by_hand
  FROM ${schema}.holds;
CREATE TABLE chaos.consumed (at bigserial PRIMARY KEY, settlement bigint NOT NULL, id text NOT NULL,
  status text NOT NULL);
CREATE TABLE chaos.place (cursor text, started_at timestamptz NOT NULL DEFAULT clock_timestamp());
INSERT INTO chaos.place DEFAULT VALUES;
CREATE TABLE chaos.moved (part integer, owner integer, PRIMARY KEY (part, owner));
CREATE TABLE chaos.breaches (what text NOT NULL, seq bigint NOT NULL, writer text NOT NULL, is_member boolean NOT NULL,
  owner text, after interval NOT NULL);

CREATE FUNCTION chaos.pause(what text, number bigint) RETURNS void LANGUAGE plpgsql AS $$
DECLARE dice integer := abs(hashint8(number # ${seed}) % 1000);
BEGIN
  IF what = 'accept' THEN
    IF current_user = '${roles[0]}' THEN PERFORM pg_sleep(0.02 + dice / 3000.0); END IF;
  ELSIF dice < 2 THEN PERFORM pg_sleep(${slowMs / 1_000});
  ELSIF dice < 30 THEN PERFORM pg_sleep(dice / 600.0);
  END IF;
END $$;

CREATE FUNCTION chaos.accepted() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM chaos.pause('accept', min(seq)) FROM added;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_accepted AFTER INSERT ON ${schema}.pending REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.accepted();

CREATE FUNCTION chaos.is_there(writer text) RETURNS boolean LANGUAGE sql VOLATILE AS $$
  SELECT EXISTS (SELECT FROM ${schema}.processors WHERE token::text = writer)
$$;
CREATE FUNCTION chaos.breach(what text, sequence bigint, writer text, owner text) RETURNS void LANGUAGE sql VOLATILE AS $$
  INSERT INTO chaos.breaches SELECT what, sequence, writer, chaos.is_there(writer), owner, clock_timestamp() - started_at
  FROM chaos.place
$$;

-- A function that is stable sees the tables as the statement does that it judges: so the owner is that of the time when
-- the statement began. The writer must be there still when it ends.
CREATE FUNCTION chaos.judge(what text, sequence bigint) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE writer text := right(current_setting('application_name'), 36);
BEGIN
  PERFORM chaos.breach(what, o.seq, writer, p.token::text)
  FROM ${schema}.orders o JOIN ${schema}.partitions t USING (part) LEFT JOIN ${schema}.processors p ON p.number = t.owner
  WHERE o.seq = sequence AND (p.token::text IS DISTINCT FROM writer OR NOT chaos.is_there(writer));
END $$;

CREATE FUNCTION chaos.settled() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM chaos.pause('settle', min(settlement / 1024)) FROM added;
  PERFORM chaos.judge('settled', seq) FROM added;
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_settled AFTER INSERT ON ${schema}.outcomes REFERENCING NEW TABLE AS added
  FOR EACH STATEMENT EXECUTE FUNCTION chaos.settled();

CREATE FUNCTION chaos.noted() RETURNS trigger LANGUAGE plpgsql STABLE AS $$
BEGIN
  PERFORM chaos.pause(TG_ARGV[0], NEW.seq);
  PERFORM chaos.judge(TG_ARGV[0], NEW.seq);
  RETURN NULL;
END $$;
CREATE TRIGGER chaos_remembered AFTER UPDATE OF remembered ON ${schema}.pending
  FOR EACH ROW EXECUTE FUNCTION chaos.noted('remembered');
CREATE TRIGGER chaos_decided AFTER UPDATE OF decided ON ${schema}.pending
  FOR EACH ROW EXECUTE FUNCTION chaos.noted('decided');

${roles
  .map(
    (role) => `CREATE ROLE ${role} LOGIN;
GRANT USAGE ON SCHEMA chaos, ${schema} TO ${role};
GRANT ALL ON ALL TABLES IN SCHEMA chaos, ${schema} TO ${role};
GRANT ALL ON ALL SEQUENCES IN SCHEMA chaos, ${schema} TO ${role};`,
  )
  .join('\n')}
`;

/** A database with the tables of the orders and those of the test, and a session beside the workers. */
export class Witness implements AsyncDisposable {
  readonly #server: PostgresServer;
  #client: Client | undefined;

  private constructor(server: PostgresServer) {
    this.#server = server;
  }

  /** @param slowMs - how long the slowest transactions wait before they commit */
  static async start(
    server: PostgresServer,
    partitions: number,
    seed: number,
    slowMs: number,
  ): Promise<Witness> {
    const storage = await PostgresStorage.open({
      connectionString: server.url,
      schema,
      partitions,
    });
    await storage.close();
    const witness = new Witness(server);
    await witness.query(tables(seed, slowMs));
    return witness;
  }

  /** Asks again while the server is away: for what may be done twice. */
  async query<Row extends QueryResultRow>(
    text: string,
    values: readonly unknown[] = [],
  ): Promise<Row[]> {
    for (let tries = 1; ; tries += 1) {
      try {
        const client = await this.#connected();
        const { rows } = await client.query<Row>(text, values.length > 0 ? [...values] : undefined);
        return rows;
      } catch (error) {
        const { code = '' } = error as { code?: string };
        // What the server says of the statement itself stands.
        if (tries === 500 || /^(22|23|42|P0)/.test(code)) throw error;
        this.#client = undefined;
        await sleep(50);
      }
    }
  }

  async #connected(): Promise<Client> {
    if (this.#client !== undefined) return this.#client;
    const client = new Client({ connectionString: this.#server.url });
    client.on('error', () => {
      if (this.#client === client) this.#client = undefined;
    });
    await client.connect();
    this.#client = client;
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.end().catch(() => {});
  }
}
