/** The trace of an order goes on at another processor of one database. */
import { OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { PostgresStorage } from 'order-processor/postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { range } from '../kit/helpers.ts';
import { PostgresServer } from '../kit/postgres-server.ts';
import { idOf, linksOf, parentOf, TracedProcess, useContextManager } from './traced-process.ts';

useContextManager();
let server: PostgresServer;
beforeAll(async () => {
  server = await PostgresServer.start();
}, 30_000);
afterAll(() => server[Symbol.asyncDispose]());

async function open(traced: TracedProcess, name: string) {
  const storage = await PostgresStorage.open({
    connectionString: server.url,
    schema: 'traced',
    name,
  });
  const processor = new OrderProcessor({ storage, steps: [{ name: 'work', run: () => {} }] });
  await processor.ready;
  return { processor, ...instrument(processor, { tracerProvider: traced.provider }) };
}

it('invariant 12: what one processor has accepted is linked to it where another one processes it', {
  timeout: 60_000,
}, async () => {
  const traced = [new TracedProcess(), new TracedProcess()] as const;
  const [here, there] = [await open(traced[0], 'here'), await open(traced[1], 'there')];
  // Until both own partitions.
  while ((there.processor.stats().cluster?.ownedPartitions ?? 0) === 0) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await Promise.all(
    range(40).map((at) => here.processor.submit({ id: `o-${at}`, userId: `u-${at}`, amount: 1 })),
  );
  for (const { processor, stop } of [here, there]) {
    await processor.shutdown();
    stop();
  }
  const id = 'messaging.message.id';
  const sent = new Map(
    traced[0].named('send orders').map((span) => [span.attributes[id], idOf(span)]),
  );
  const processed = traced.map((each) => each.named('process orders'));
  expect(processed.flat()).toHaveLength(40);
  expect(processed[1]?.length).toBeGreaterThan(0);
  for (const span of processed.flat()) {
    expect(linksOf(span)).toEqual([sent.get(span.attributes[id])]);
    expect(parentOf(span)).toBeUndefined();
  }
  for (const [at, name] of ['here', 'there'].entries()) {
    const spans = (traced[at] as TracedProcess).spans.filter(({ name }) =>
      name.endsWith(' orders'),
    );
    expect(new Set(spans.map(({ attributes }) => attributes['messaging.client.id']))).toEqual(
      new Set([name]),
    );
  }
});
