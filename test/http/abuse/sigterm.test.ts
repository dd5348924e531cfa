/** A service that is ended by a signal under load keeps every promise that it has given. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isFull } from '../../kit/full.ts';
import { range } from '../../kit/helpers.ts';
import { Dice } from '../fuzz/dice.ts';
import { Client } from './client.ts';
import { afterwards, type Service, start } from './life.ts';
import { head, orderRequest, until } from './server.ts';

/** The file of a test, and a service on it. */
class Place {
  readonly file: string;
  readonly #folder = mkdtempSync(join(tmpdir(), 'orders-'));
  #service: Service | undefined;

  constructor() {
    this.file = join(this.#folder, 'orders.db');
  }

  async start(shutdownTimeoutMs: number): Promise<Service> {
    this.#service = await start(this.file, shutdownTimeoutMs);
    return this.#service;
  }

  async end(): Promise<void> {
    this.#service?.child.kill('SIGKILL');
    await this.#service?.ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

// Most of a test is waiting for a process.
const it = test.extend<{ place: Place }>({
  place: async ({ task: _ }, use) => {
    const place = new Place();
    await use(place);
    await place.end();
  },
});

/** What clients were answered. */
class Told {
  readonly accepted = new Set<string>();
  readonly refused = new Set<string>();
}

/** One order after the other on a connection, each when the one before was answered. */
async function callOneByOne({ port }: Service, caller: string, told: Told): Promise<void> {
  const client = await Client.connect(port);
  for (let at = 0; !client.socket.destroyed; at += 1) {
    const id = `${caller}-${at}`;
    const prefer = at % 3 === 0 ? 'wait=5' : 'wait=0';
    client.send(orderRequest({ id, userId: `u-${at % 7}`, amount: at }, { prefer }));
    const answers = await client.got(at + 1);
    if (answers.length === at) return;
    const status = answers[at]?.status as number;
    (status < 300 ? told.accepted : told.refused).add(id);
  }
}

/** Orders as lines, as fast as their outcomes come. */
async function callInLines({ port }: Service, caller: string, told: Told): Promise<void> {
  const client = await Client.connect(port);
  const type = { 'content-type': 'application/x-ndjson', 'transfer-encoding': 'chunked' };
  client.send(head('POST /orders/batch', type));
  const noted = (): number => {
    const lines = client.text.match(/^\{"index".*\}$/gm) ?? [];
    for (const line of lines) {
      const { status, orderId } = JSON.parse(line);
      (status === 'refused' ? told.refused : told.accepted).add(orderId);
    }
    return lines.length;
  };
  for (let at = 0; client.socket.writable && at - noted() < 200; at += 1) {
    const line = `${JSON.stringify({ id: `${caller}-${at}`, userId: `u-${at % 7}`, amount: at })}\n`;
    client.send(`${line.length.toString(16)}\r\n${line}\r\n`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await client.closed;
  noted();
}

async function checkPromises(file: string, told: Told): Promise<void> {
  const { orders, balances } = await afterwards(file);
  const sums = new Map<string, number>();
  for (const { userId, amount, status } of orders.values()) {
    expect(status).toBe('completed');
    sums.set(userId, (sums.get(userId) ?? 0) + amount);
  }
  expect(balances).toEqual(sums);
  expect([...told.accepted].filter((id) => !orders.has(id))).toEqual([]);
  expect([...told.refused].filter((id) => orders.has(id))).toEqual([]);
}

describe.concurrent('SIGTERM under load', { timeout: 20_000 }, () => {
  it.for(range(isFull ? 3 : 1))(
    'loses nothing that was acknowledged, round %i',
    async (round, { place }) => {
      const dice = new Dice(Date.now() + round);
      // The time limit of the test is shorter: nothing is to wait for the deadline.
      const service = await place.start(600_000);
      const told = new Told();
      const callers = [
        ...range(8).map((n) => callOneByOne(service, `one-${n}`, told)),
        ...range(3).map((n) => callInLines(service, `lines-${n}`, told)),
      ];
      const enough = 20 + dice.below(300);
      await until(() => told.accepted.size > enough);
      service.child.kill('SIGTERM');
      const { code, complaint } = await service.ended;
      // Every client is answered or cut.
      await Promise.all(callers);
      expect({ code, complaint }).toEqual({ code: 0, complaint: '' });
      await checkPromises(place.file, told);
    },
  );
});

describe.concurrent('SIGTERM with what never ends', { timeout: 20_000 }, () => {
  const forever = { id: 'o-1', userId: 'u-1', amount: 7, payload: 'forever' };

  it('cancels it at the deadline, and leaves what waits behind it to the next start', async ({
    place,
  }) => {
    const service = await place.start(1_000);
    const client = await Client.connect(service.port);
    client.send(orderRequest(forever, { prefer: 'wait=600' }));
    const another = await Client.connect(service.port);
    await another.send(orderRequest({ id: 'o-2', userId: 'u-1', amount: 5 })).got(1);
    const inBody = await Client.connect(service.port);
    const type = { 'content-type': 'application/json', 'content-length': 100 };
    inBody.send(`${head('POST /orders', type)}{`);
    const reader = await Client.connect(service.port);
    reader.send(head('GET /events'));
    await once(reader.socket, 'data');
    service.child.kill('SIGTERM');
    await Promise.all([client.closed, inBody.closed, reader.closed]);
    const { code, complaint } = await service.ended;
    expect({ code, complaint }).toEqual({ code: 0, complaint: '' });
    const { orders } = await afterwards(place.file);
    expect(orders.get('o-1')).toMatchObject({ status: 'canceled' });
    expect(orders.get('o-2')).toMatchObject({ status: 'completed', balance: 5 });
  });

  it('ends the connection of a client that sends requests without a pause', async ({ place }) => {
    const service = await place.start(600_000);
    const client = await Client.connect(service.port);
    const ask = orderRequest({ userId: 'u-1', amount: 1 }, { prefer: 'wait=60' });
    // As many as are answered: there is always one under way.
    client.socket.on('data', (chunk) => {
      const answered = chunk.toString().split('HTTP/1.1').length - 1;
      if (client.socket.writable) client.send(ask.repeat(answered));
    });
    await client.send(ask.repeat(20)).got(40);
    service.child.kill('SIGTERM');
    await client.closed;
    expect((await service.ended).code).toBe(0);
  });

  it('ends at once at a second signal', async ({ place }) => {
    const service = await place.start(600_000);
    const client = await Client.connect(service.port);
    client.send(orderRequest(forever, { prefer: 'wait=600' }));
    const reader = await Client.connect(service.port);
    reader.send(head('GET /events'));
    await once(reader.socket, 'data');
    service.child.kill('SIGTERM');
    // It ends event streams first of all.
    await reader.closed;
    service.child.kill('SIGTERM');
    const { code } = await service.ended;
    expect(code).toBe(1);
    await client.closed;
  });
});
