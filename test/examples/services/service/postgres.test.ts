/** The service with STORAGE=postgres: several of them are one, and one that ends leaves its users to the others. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresServer } from '../../../kit/postgres-server.ts';
import { Life } from './life.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
});
afterAll(() => server[Symbol.asyncDispose]());

const headers = { 'content-type': 'application/json', prefer: 'wait=10' };

async function topUp(url: string, id: string, userId: string): Promise<number> {
  const body = JSON.stringify({ id, userId, amount: 100, payload: { card: 'card-1' } });
  const response = await fetch(`${url}/orders`, { method: 'POST', headers, body });
  return response.status;
}

async function balance(url: string, userId: string): Promise<unknown> {
  const response = await fetch(`${url}/users/${userId}/balance`);
  return ((await response.json()) as { balance: unknown }).balance;
}

async function isReady(url: string): Promise<boolean> {
  return (await fetch(`${url}/readyz`)).ok;
}

it('shares users and balances with another one, and hands them over when it ends', async () => {
  const { url: DATABASE_URL } = server;
  const users = Array.from({ length: 20 }, (_, at) => `u-${at}`);
  using one = new Life({ env: { STORAGE: 'postgres', DATABASE_URL } });
  const { PGHOST, PGPORT, PGUSER } = {
    PGHOST: '127.0.0.1',
    PGPORT: `${server.port}`,
    PGUSER: 'postgres',
  };
  using other = new Life({ env: { STORAGE: 'postgres', PGHOST, PGPORT, PGUSER } });
  await Promise.all([one.entry('ready'), other.entry('ready')]);
  const [at, there] = await Promise.all([one.listening(), other.listening()]);
  expect(await Promise.all([isReady(at.probeUrl), isReady(there.probeUrl)])).toEqual([true, true]);

  for (const [count, user] of users.entries()) {
    const [first, second] = count % 2 === 0 ? [at, there] : [there, at];
    expect(await topUp(first.url, `one-${user}`, user)).toBe(200);
    expect(await balance(second.url, user)).toBe(100);
  }
  expect(await one.signal('SIGTERM'), one.errors).toEqual([0, null]);
  for (const user of users) {
    // Sent again: the same order.
    expect(await topUp(there.url, `one-${user}`, user)).toBe(200);
    expect(await topUp(there.url, `two-${user}`, user)).toBe(200);
    expect(await balance(there.url, user)).toBe(200);
  }
  expect(await other.signal('SIGTERM'), other.errors).toEqual([0, null]);
});

it('says at its start which database it could not reach, and no password', async () => {
  const DATABASE_URL = 'postgres://app:secret-word@127.0.0.1:1/shop';
  using life = new Life({ env: { STORAGE: 'postgres', DATABASE_URL } });
  expect(await life.end()).toEqual([1, null]);
  expect(life.output).toContain('127.0.0.1:1');
  expect(life.output + life.errors).not.toContain('secret-word');
});
