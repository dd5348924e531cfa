/** A session that ends in the middle of a statement, of each kind that changes something beside settlements. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newOrder, settlementOf } from '../../../src/testing/orders.ts';
import { someSteps } from '../../../src/testing/samples.ts';
import { PostgresServer } from '../../kit/postgres-server.ts';
import { again, Trial } from './kit.ts';

let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

const order = newOrder('o-1');
const settled = newOrder('o-2');
const hold = { userId: 'u', heldAt: 1, reason: 'first' };
const other = { ...hold, heldAt: 2, reason: 'second' };
const request = { id: 'r-1', userId: 'u', request: '{}' };

interface Case {
  readonly what: string;
  /** The session that ends. */
  readonly role: string;
  /** What its statement waits for. */
  readonly lock: string;
  readonly work: (trial: Trial) => unknown;
  /** What the tables have of it. */
  readonly look: string;
  readonly before: unknown;
  readonly after: unknown;
}

const pendingLock = 'SELECT FROM pending FOR UPDATE';
const holdLock = 'SELECT FROM holds FOR UPDATE';
const requestLock = 'SELECT FROM requests FOR UPDATE';
const reason = `SELECT hold::json->>'reason' AS found FROM holds`;

const cases: readonly Case[] = [
  {
    ...{ what: 'a decision', role: 'settle', lock: pendingLock },
    work: ({ storage }) =>
      storage.settle([
        settlementOf(order, {
          ...{ outcome: 'failed', isProvisional: true },
          error: { code: 'own', message: 'No', retryable: false } as never,
        }),
      ]),
    look: `SELECT decided IS NOT NULL AS found FROM pending`,
    ...{ before: false, after: true },
  },
  {
    ...{ what: 'what a step has returned', role: 'settle', lock: pendingLock },
    work: ({ storage }) =>
      storage.remember([{ ...order, sequence: 1, steps: [{ step: 's', result: 1, amount: 1 }] }]),
    look: 'SELECT remembered IS NOT NULL AS found FROM pending',
    ...{ before: false, after: true },
  },
  {
    ...{
      what: 'steps of a settled order',
      role: 'settle',
      lock: 'SELECT FROM outcomes FOR UPDATE',
    },
    work: ({ storage }) => storage.amend('o-2', someSteps),
    look: 'SELECT steps IS NOT NULL AS found FROM outcomes',
    ...{ before: false, after: true },
  },
  {
    ...{ what: 'a hold', role: 'settle', lock: holdLock },
    work: ({ storage }) => storage.hold(other),
    ...{ look: reason, before: 'first', after: 'second' },
  },
  {
    ...{ what: 'a release', role: 'settle', lock: holdLock },
    work: ({ storage }) => storage.release('u'),
    ...{ look: reason, before: 'first', after: undefined },
  },
  {
    ...{ what: 'a request to cancel', role: 'accept', lock: pendingLock },
    work: ({ storage }) => storage.shared.cancel('o-1'),
    look: 'SELECT is_to_cancel AS found FROM pending',
    ...{ before: false, after: true },
  },
  {
    what: 'a request to an owner',
    role: 'accept',
    lock: `INSERT INTO requests (id, part, user_id, request) VALUES ('r-2', 0, 'u', '{}')`,
    work: ({ storage }) => storage.shared.request({ ...request, id: 'r-2' }),
    look: 'SELECT count(*)::int AS found FROM requests',
    ...{ before: 1, after: 2 },
  },
  {
    ...{ what: 'the beginning of a request', role: 'settle', lock: requestLock },
    work: ({ storage }) => storage.shared.begin(request),
    look: 'SELECT is_begun AS found FROM requests',
    ...{ before: false, after: true },
  },
  {
    ...{ what: 'the answer of a request', role: 'settle', lock: requestLock },
    work: ({ storage }) => storage.shared.answer(request, 'done'),
    // Once its answer has come where it was asked, here, the request is deleted.
    look: 'SELECT count(*)::int AS found FROM requests WHERE answer IS NULL',
    ...{ before: 1, after: 0 },
  },
];

it.each(cases)(
  'in the middle of $what leaves nothing of it, and it comes about when it is called again (invariants 3, 9)',
  async ({ role, lock, work, look, before, after }) => {
    await using trial = await Trial.start(server);
    const { storage } = trial;
    await storage.accept([order, settled]);
    await storage.settle([settlementOf(settled)]);
    await storage.hold(hold);
    await storage.shared.request(request);
    const found = async () => (await trial.query<{ found: unknown }>(look))[0]?.found;
    expect(await found()).toBe(before);
    await trial.query('BEGIN');
    await trial.query(lock);
    const isRejected = expect(Promise.resolve(work(trial))).rejects.toThrow();
    const pid = await trial.waiting(role);
    await trial.query('SELECT pg_terminate_backend($1)', [pid]);
    await isRejected;
    await trial.query('ROLLBACK');
    expect(await found()).toBe(before);
    // Until the processor owns its partitions again, what it writes is lost.
    await again(async () => {
      const answer = JSON.stringify(await work(trial)) ?? '';
      if (answer.includes('lost')) throw new Error('Lost');
    });
    expect(await found()).toBe(after);
  },
);
