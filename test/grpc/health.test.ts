/** The standard health service: what load balancers and probes ask. */
import { status } from '@grpc/grpc-js';
import { describe, expect, it } from 'vitest';
import { HealthCheckResponse_ServingStatus as Serving } from '../../src/grpc/gen/grpc/health/v1/health_pb.js';
import { gates } from '../http/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { type Json, refusalOf, until, useServers } from './helpers.ts';

const start = useServers();
const service = 'orderprocessor.v1.OrderService';

/** The statuses that a watcher gets, in order. */
function watcher(health: Json, request: Json = {}) {
  const controller = new AbortController();
  const told: string[] = [];
  const ended = (async () => {
    try {
      for await (const { status } of health.watch(request, { signal: controller.signal })) {
        told.push(Serving[status] as string);
      }
      return 'ended';
    } catch (error) {
      return (error as Error).message;
    }
  })();
  return { told, ended, leave: () => controller.abort() };
}

describe('Check', () => {
  it.each(['', service])(
    'answers SERVING for %j while orders are accepted and kept',
    async (name) => {
      const { grpc } = await start();
      expect(await grpc.call('check', { service: name })).toEqual({ status: 'SERVING' });
    },
  );

  it.each(['nobody.v1.Service', 'grpc.health.v1.Health', 'toString'])(
    'knows no service %j',
    async (name) => {
      const { grpc } = await start();
      const refusal = await refusalOf(grpc.call('check', { service: name }));
      expect(refusal.code).toBe(status.NOT_FOUND);
    },
  );

  it('answers NOT_SERVING when the processor shuts down', async () => {
    const { grpc, processor } = await start();
    const ending = processor.shutdown();
    expect(await grpc.call('check', {})).toEqual({ status: 'NOT_SERVING' });
    await ending;
    expect(await grpc.call('check', {})).toEqual({ status: 'NOT_SERVING' });
  });

  it('answers NOT_SERVING while the storage fails, and SERVING when it works again', async () => {
    const storage = new KeptStorage();
    const { grpc, processor } = await start({ processor: { storage } });
    await processor.ready;
    expect(await grpc.call('check', {})).toEqual({ status: 'SERVING' });
    storage.fate = () => 'rejects';
    await processor.submit({ userId: 'u-1', amount: 1 }).catch(() => {});
    expect(await grpc.call('check', {})).toEqual({ status: 'NOT_SERVING' });
    storage.fate = () => 'works';
    await until(() => processor.stats().storage === 'ready');
    expect(await grpc.call('check', {})).toEqual({ status: 'SERVING' });
  });

  it('asks for no credentials', async () => {
    const { grpc } = await start({ routes: { authenticate: () => undefined } });
    expect(await grpc.call('check', {})).toEqual({ status: 'SERVING' });
  });
});

describe('Watch', () => {
  it('reports every change, and ends when the server closes', async () => {
    const storage = new KeptStorage();
    const { health, processor, server } = await start({ processor: { storage } });
    await processor.ready;
    const { told, ended } = watcher(health, { service });
    await until(() => told.length === 1);
    storage.fate = () => 'rejects';
    await processor.submit({ userId: 'u-1', amount: 1 }).catch(() => {});
    await until(() => told.length === 2);
    storage.fate = () => 'works';
    await until(() => told.length === 3);
    await server.close();
    expect(await ended).toBe('ended');
    expect(told).toEqual(['SERVING', 'NOT_SERVING', 'SERVING', 'NOT_SERVING']);
  });

  it('says NOT_SERVING as soon as the server closes, while calls go on', async () => {
    const work = gates();
    const { client, health, processor, server } = await start({
      processor: { steps: [work.step] },
      server: { shutdownTimeoutMs: 60_000 },
    });
    const { told, ended } = watcher(health);
    const call = client.submitOrder({ order: { id: 'o-1', userId: 'u-1', amount: 1n } });
    await until(() => told.length === 1 && processor.stats().accepted === 1);
    const closed = server.close();
    await ended;
    expect(told).toEqual(['SERVING', 'NOT_SERVING']);
    expect(processor.stats().unsettled).toBe(1);
    work.open('o-1');
    expect((await call).receipt?.balance).toBe(1n);
    await closed;
  });

  it('says SERVICE_UNKNOWN of a service that is none, and stays', async () => {
    const { health } = await start();
    const { told, leave, ended } = watcher(health, { service: 'nobody.v1.Service' });
    await until(() => told.length === 1);
    leave();
    await ended;
    expect(told).toEqual(['SERVICE_UNKNOWN']);
  });

  it('has room for a hundred, and for another one when one has left', async () => {
    const { health } = await start();
    const watchers = Array.from({ length: 100 }, () => watcher(health));
    await until(() => watchers.every(({ told }) => told.length === 1));
    expect(await watcher(health).ended).toContain('There are too many watchers');
    for (const { leave } of watchers) leave();
    await Promise.all(watchers.map(({ ended }) => ended));
    for (;;) {
      const { told, ended, leave } = watcher(health);
      const end = await Promise.race([ended, until(() => told.length === 1)]);
      leave();
      if (end === undefined) break;
    }
  });
});
