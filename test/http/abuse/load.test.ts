/** Ten thousand requests at the same time: all are answered, and every balance is exact. */
import { afterEach, describe, expect, it } from 'vitest';
import { range } from '../../kit/helpers.ts';
import type { Answer } from '../fuzz/answer.ts';
import { Client } from './client.ts';
import { type Abused, abused, orderRequest, until } from './server.ts';

const connections = 200;
const perConnection = 50;
const total = connections * perConnection;
const users = 20;

let target: Abused;
let clients: Client[];
afterEach(async () => {
  for (const client of clients) client.leave();
  await target.processor.onIdle();
  expect(target.processor.stats()).toMatchObject({ unsettled: 0, waitingCallers: 0 });
  await target.server.close();
  expect(target.internal).toEqual([]);
});

/** So many requests on each connection, none of which waits for an answer. */
async function send(prefer: string): Promise<void> {
  clients = await Promise.all(range(connections).map(() => Client.connect(target.server.port)));
  for (const [c, client] of clients.entries()) {
    const orders = range(perConnection).map((n) => {
      const at = c * perConnection + n;
      return orderRequest({ id: `o-${at}`, userId: `u-${at % users}`, amount: at }, { prefer });
    });
    client.send(orders.join(''));
  }
}

async function allAnswers(): Promise<Answer[]> {
  return (await Promise.all(clients.map((client) => client.got(perConnection)))).flat();
}

/** @param ids - of the orders that are to have been applied, as their amounts are */
async function checkBalances(ids: readonly number[]): Promise<void> {
  for (const user of range(users)) {
    const sum = ids.filter((at) => at % users === user).reduce((all, at) => all + at, 0);
    expect(await target.processor.balance(`u-${user}`), `u-${user}`).toBe(sum);
  }
}

describe(`${total} requests at the same time`, { timeout: 30_000 }, () => {
  it('all wait for their orders, and all are answered', async () => {
    target = await abused({ capacity: total });
    target.processor.pause();
    await send('wait=30');
    await until(() => target.processor.stats().accepted === total);
    target.processor.resume();
    const answers = await allAnswers();
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(total);
    await checkBalances(range(total));
  });

  it('are refused beyond the capacity, and what was accepted is settled', async () => {
    const capacity = 1_000;
    target = await abused({ capacity });
    target.processor.pause();
    await send('wait=0');
    const answers = await allAnswers();
    target.processor.resume();
    await target.processor.onIdle();
    const accepted = answers.filter(({ status }) => status === 202);
    const refused = answers.filter(({ status }) => status === 503);
    expect(accepted).toHaveLength(capacity);
    expect(refused).toHaveLength(total - capacity);
    expect(refused.every(({ text }) => JSON.parse(text).code === 'queue_full')).toBe(true);
    expect(refused.every(({ headers }) => Number(headers.get('retry-after')) >= 1)).toBe(true);
    await checkBalances(accepted.map(({ text }) => Number(JSON.parse(text).id.slice(2))));
  });
});

describe('the same order at the same time', { timeout: 30_000 }, () => {
  it('is applied once, and every client gets its receipt', async () => {
    const steps = [{ name: 'turn', run: () => new Promise(setImmediate) }];
    target = await abused({ steps });
    clients = await Promise.all(range(50).map(() => Client.connect(target.server.port)));
    const order = orderRequest({ id: 'o-1', userId: 'u-1', amount: 7 }, { prefer: 'wait=10' });
    for (const client of clients) client.send(order.repeat(20));
    const answers = await Promise.all(clients.map((client) => client.got(20)));
    expect(new Set(answers.flat().map(({ status }) => status))).toEqual(new Set([200]));
    expect(await target.processor.balance('u-1')).toBe(7);
  });
});
