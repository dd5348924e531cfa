import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { expect, it } from 'vitest';
import { newOrder } from '../../../src/testing/orders.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { Trial } from './kit.ts';

/** A host whose commits wait for a standby that is not there, and hold back all that notify meanwhile. */
class Host implements AsyncDisposable {
  readonly #client: Client;
  readonly #trial: Trial;

  private constructor(client: Client, trial: Trial) {
    this.#client = client;
    this.#trial = trial;
  }

  static async start({ url }: PostgresServer, trial: Trial): Promise<Host> {
    const client = new Client({ connectionString: url });
    await client.connect();
    await client.query('SET synchronous_commit = on');
    return new Host(client, trial);
  }

  /** @returns ends the wait */
  async notify(): Promise<() => Promise<void>> {
    await this.#client.query('BEGIN');
    await this.#client.query('CREATE TEMPORARY TABLE written (n int) ON COMMIT DROP');
    const [{ pid }] = (
      await this.#client.query(`SELECT pg_backend_pid() AS pid, pg_notify('host', '')`)
    ).rows;
    const committed = this.#client.query('COMMIT');
    const text = `SELECT FROM pg_stat_activity WHERE pid = $1 AND wait_event = 'SyncRep'`;
    while ((await this.#trial.query(text, [pid])).length === 0) await sleep(5);
    return async () => {
      await this.#trial.query('SELECT pg_cancel_backend($1)', [pid]);
      await committed;
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end();
  }
}

it('while a commit of a host that notifies takes long, what notifies is not answered before its note is there, and nothing of it fails (invariants 1, 10)', async () => {
  const settings = { synchronous_standby_names: 'none', synchronous_commit: 'local' };
  await using server = await PostgresServer.start({ settings });
  await using trial = await Trial.start(server);
  await using host = await Host.start(server, trial);
  await trial.storage.accept([newOrder('o-1')]);
  for (const [waitMs, work] of [
    [400, () => trial.storage.accept([newOrder('o-2')])],
    [400, () => trial.storage.shared.request({ id: 'r', userId: 'u', request: '{}' })],
    [1_400, () => trial.storage.shared.cancel('o-1')],
  ] as const) {
    const end = await host.notify();
    let isAnswered = false;
    const done = Promise.resolve(work())
      .then(
        (result) => result ?? [],
        (error) => [error],
      )
      .finally(() => {
        isAnswered = true;
      });
    await sleep(waitMs);
    // An order that is handed in after the answer must be noted behind this one.
    expect(isAnswered).toBe(false);
    await end();
    for (const result of await done) expect(result).toMatchObject({ status: 'kept' });
  }
  await trial.member.until('It comes', () => trial.member.given.length === 2);
  const canceled = await trial.query('SELECT FROM pending WHERE is_to_cancel');
  expect(canceled.length).toBe(1);
}, 30_000);
