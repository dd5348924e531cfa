/**
 * A small service on a file, to be ended by a signal.
 *
 * ```sh
 * node test/http/abuse/service.ts FILE SHUTDOWN_TIMEOUT_MS
 * ```
 *
 * It says `{"port":…}` when it listens.
 */
import { createOrderApp, serve } from '../../../src/http/index.ts';
import { OrderProcessor } from '../../../src/index.ts';
import { SqliteStorage } from '../../../src/sqlite/index.ts';
import { steps } from './steps.ts';

const [, , file = '', shutdownTimeoutMs = ''] = process.argv;
const processor = new OrderProcessor({ storage: await SqliteStorage.open(file), steps });
await processor.ready;
const { port } = await serve(createOrderApp(processor, { maxWaitMs: 600_000 }), {
  processor,
  port: 0,
  shutdownTimeoutMs: Number(shutdownTimeoutMs),
  onClosed: () => console.log(JSON.stringify({ closed: true })),
});
console.log(JSON.stringify({ port }));
