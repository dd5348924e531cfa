import { type ChildProcess, fork } from 'node:child_process';
import { join } from 'node:path';
import { OrderProcessor } from 'order-processor';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { until } from './kit.ts';

let server: PostgresServer;
let child: ChildProcess | undefined;

beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(async () => {
  child?.kill('SIGKILL');
  await server[Symbol.asyncDispose]();
});

it('invariant 12: a process that was stopped within a step begins no other one when it goes on', async () => {
  const schema = 'stopped';
  const heard: string[] = [];
  child = fork(join(import.meta.dirname, 'stopping-process.ts'), [server.url, schema]);
  child.on('message', (message) => heard.push(message as string));
  await until('the first order begins', () => heard.includes('first o-1'));
  const storage = await PostgresStorage.open({
    ...{ connectionString: server.url, schema, beatMs: 250, staleMs: 1_500 },
  });
  const ran: string[] = [];
  const one = new OrderProcessor({
    storage,
    steps: [
      { name: 'first', run: ({ id }) => void ran.push(`first ${id}`) },
      { name: 'second', after: ['first'], run: ({ id }) => void ran.push(`second ${id}`) },
    ],
  });
  const outcomes = await Promise.all(['o-1', 'o-2'].map((id) => one.outcome(id)));
  expect(outcomes.map((outcome) => outcome?.status)).toEqual(['completed', 'completed']);
  expect(ran).toContain('second o-1');
  child.kill('SIGCONT');
  await until('it is a member again', () => {
    child?.send('member');
    return heard.includes('member true') && one.stats().cluster?.processors.length === 2;
  });
  // It processes orders again, and has begun nothing of those that it had lost.
  const users = Array.from({ length: 12 }, (_, at) => `u-${at}`);
  await until('it owns partitions', () => {
    const { processors = [] } = one.stats().cluster ?? {};
    return processors.every(({ partitions }) => partitions === 32);
  });
  await Promise.all(users.map((userId) => one.submit({ id: userId, userId, amount: 1 })));
  const steps = heard.filter((each) => !each.startsWith('member'));
  expect(steps.slice(0, 2)).toEqual(['first o-1', expect.stringMatching(/^first u-/)]);
  expect(steps.length).toBeGreaterThan(2);
  expect(await one.balance('u o-1')).toBe(5);
  await one.shutdown();
}, 60_000);
