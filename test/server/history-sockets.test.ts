/** The feed of outcomes over real connections: live, left by its client, and ended by its server. */
import { OrderProcessor } from 'order-processor';
import { createOrderApp } from 'order-processor/http';
import { expect, it } from 'vitest';
import { until, useServers as useGrpc } from '../grpc/helpers.ts';
import { useServers } from '../http/helpers.ts';

const start = useServers();
const startGrpc = useGrpc();
const events = { readers: 1 };

it('over HTTP goes on live, makes room when its client goes, and ends when the server closes', async () => {
  const processor = new OrderProcessor();
  const server = await start(createOrderApp(processor, { events }), { processor });
  const url = `${server.url}/outcomes`;
  for (const id of ['o-1', 'o-2', 'o-3']) {
    let response = await fetch(url);
    // The server has yet to hear that the reader before has gone.
    while (response.status === 503) {
      await response.body?.cancel();
      response = await fetch(url);
    }
    const reader = (response.body as ReadableStream<Uint8Array>).getReader();
    await processor.submit({ id, userId: 'u-1', amount: 1 });
    let text = '';
    while (!text.includes(`"id":"${id}"`)) {
      text += new TextDecoder().decode((await reader.read()).value);
    }
    if (id !== 'o-3') await reader.cancel();
    else {
      await server.close();
      expect(await reader.read()).toEqual({ done: true, value: undefined });
    }
  }
});

it('over gRPC too', async () => {
  const { client, processor, server } = await startGrpc({ routes: { events } });
  const controller = new AbortController();
  const ids: (string | undefined)[] = [];
  const feed = (async () => {
    const outcomes = client.watchOutcomes({}, { signal: controller.signal });
    for await (const { record } of outcomes) ids.push(record?.id);
  })().catch(() => {});
  await processor.submit({ id: 'o-1', userId: 'u-1', amount: 1 });
  await until(() => ids.includes('o-1'));
  await processor.submit({ id: 'o-2', userId: 'u-1', amount: 1 });
  await until(() => ids.includes('o-2'));
  controller.abort();
  await feed;
  const again = (async () => {
    for (;;) {
      try {
        for await (const { record } of client.watchOutcomes({})) ids.push(record?.id);
        return 'ended';
      } catch {
        // The reader before has not left yet.
      }
    }
  })();
  await until(() => ids.length === 4);
  await server.close();
  expect([await again, ids]).toEqual(['ended', ['o-1', 'o-2', 'o-1', 'o-2']]);
});
