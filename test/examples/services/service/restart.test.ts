/**
 * The service is restarted by a supervisor, ended by SIGTERM and SIGKILL in turn, under load from both
 * protocols: clients that try again with the same id end with exact balances (guarantees 3, 5 and 9).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SqliteStorage } from 'order-processor/sqlite';
import { afterAll, expect, it } from 'vitest';
import { isFull } from '../../../kit/full.ts';
import { range } from '../../../kit/helpers.ts';
import { randomFrom } from '../../../kit/random.ts';
import {
  type ClientOrder,
  GrpcClient,
  HttpClient,
  type OrderClient,
  type Target,
} from './client.ts';
import { Life } from './life.ts';

const folder = mkdtempSync(join(tmpdir(), 'order-service-'));
const CLIENT_TOKENS = 'client-token-0123';
const env = { CLIENT_TOKENS, DATA_DIR: folder, SHUTDOWN_TIMEOUT_MS: '20000' };
const bothEnds: NodeJS.Signals[] = ['SIGTERM', 'SIGKILL'];
const ends = isFull ? [...bothEnds, ...bothEnds, ...bothEnds] : bothEnds;
const users = range(10).map((at) => `u-${at}`);
const callers = 8;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** What the clients know must be: of every order its outcome, of every user the balance. */
class Ledger {
  readonly balances = new Map<string, number>();
  readonly outcomes = new Map<string, string>();

  expect({ id, userId, amount }: ClientOrder, outcome: string): void {
    this.outcomes.set(id, outcome);
    if (outcome !== 'completed') return;
    this.balances.set(userId, (this.balances.get(userId) ?? 0) + amount);
  }
}

/** An order, and its expected outcome: no user ever spends more than the balance. */
function nextOrder(id: string, random: () => number): [ClientOrder, string] {
  const userId = users[Math.floor(random() * users.length)] as string;
  const amount = 1 + Math.floor(random() * 100);
  const kind = random();
  if (kind < 0.4) return [{ id, userId, amount, payload: { card: 'card' } }, 'completed'];
  if (kind < 0.8) {
    return [{ id, userId, amount: -amount, payload: { items: ['tea'] } }, 'completed'];
  }
  if (kind < 0.9) {
    const payload = { card: 'declined', items: ['tea'] };
    return [{ id, userId, amount, payload }, 'card_declined'];
  }
  return [{ id, userId, amount: -amount, payload: { items: ['sold-out'] } }, 'sold_out'];
}

it('leaves exact balances, however often it is ended and killed', async () => {
  let life = new Life({ env });
  let target: Target = await life.listening();
  const where = (): Target => target;
  const http = new HttpClient(where, CLIENT_TOKENS);
  const grpc = new GrpcClient(where, CLIENT_TOKENS);
  const ledger = new Ledger();
  for (const userId of users) {
    const opening = { id: `opening-${userId}`, userId, amount: 1_000_000, payload: { card: 'c' } };
    ledger.expect(opening, 'completed');
    expect(await http.deliver(opening)).toBe('completed');
  }

  let isOver = false;
  const call = async (client: OrderClient, name: string, seed: number): Promise<void> => {
    const random = randomFrom(seed);
    for (let at = 0; !isOver; at += 1) {
      const [order, outcome] = nextOrder(`${name}-${at}`, random);
      ledger.expect(order, outcome);
      expect([order.id, await client.deliver(order)]).toEqual([order.id, outcome]);
      // Some never get an answer, and some check it: the other protocol must say the same.
      const other = client === http ? grpc : http;
      if (random() < 0.1) expect(await other.deliver(order)).toBe(outcome);
      await sleep(random() * 10);
    }
  };
  const calling = Promise.all(
    range(callers).flatMap((at) => [
      call(http, `http-${at}`, at),
      call(grpc, `grpc-${at}`, -at - 1),
    ]),
  );
  // A failure is reported at the end, and not before.
  calling.catch(() => {});

  const random = randomFrom(7);
  const interrupted: boolean[] = [];
  let takenUp = 0;
  for (const end of ends) {
    await sleep(200 + random() * 400);
    const retries = [http.retries, grpc.retries];
    expect([end, ...(await life.signal(end))]).toEqual(
      end === 'SIGTERM' ? [end, 0, null] : [end, null, end],
    );
    expect(life.errors).toBe('');
    // Orders that fail as they should are nothing to be warned of.
    expect(life.entries.filter(({ level }) => /warn|error|fatal/.test(level))).toEqual([]);
    life = new Life({ env });
    target = await life.listening();
    const { recovered } = await life.entry('ready');
    if (end === 'SIGKILL') takenUp += Number(recovered);
    interrupted.push(http.retries > (retries[0] ?? 0) && grpc.retries > (retries[1] ?? 0));
  }
  await sleep(200);
  isOver = true;
  await calling;

  // Each end was felt by the clients of both protocols.
  expect(interrupted).toEqual(ends.map(() => true));
  expect(takenUp).toBeGreaterThan(0);
  expect(ledger.outcomes.size).toBeGreaterThan(40);
  for (const [userId, balance] of ledger.balances) {
    expect([userId, await http.balance(userId)]).toEqual([userId, balance]);
    expect([userId, await grpc.balance(userId)]).toEqual([userId, balance]);
  }
  expect(await life.signal('SIGTERM')).toEqual([0, null]);
  await http.close();
  await grpc.close();
  await expectFile(ledger);
}, 60_000);

/** What the service has left behind: every order once, as the clients know it, and nothing else. */
async function expectFile(ledger: Ledger): Promise<void> {
  const storage = await SqliteStorage.open(join(folder, 'orders.db'));
  expect(await storage.check()).toEqual([]);
  const found = new Map<string, string>();
  for await (const page of storage.unsettled()) expect(page).toEqual([]);
  for (const [id] of ledger.outcomes) {
    const order = await storage.find(id);
    found.set(id, order?.code ?? order?.status ?? 'lost');
  }
  expect(found).toEqual(ledger.outcomes);
  await storage.close();
}
