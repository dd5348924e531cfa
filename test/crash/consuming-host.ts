/**
 * A processor on a file with a consumer of its outcomes in the same process, to be killed. Without a number it hands in
 * no orders.
 *
 * ```sh
 * node test/crash/consuming-host.ts FILE CONSUMERS-FILE [NUMBER]
 * ```
 */
import { flushCompileCache } from 'node:module';
import { OrderProcessor } from '../../src/index.ts';
import { SqliteStorage } from '../../src/sqlite/index.ts';
import { ConsumerTable } from './consumer.ts';

const [, , file = '', consumersFile = '', number] = process.argv;
const processor = new OrderProcessor({
  storage: await SqliteStorage.open(file, { durability: 'relaxed' }),
});
const table = new ConsumerTable(consumersFile);
// Otherwise the next process would compile everything again: a process that is killed cannot store its compiled code.
flushCompileCache();

async function submit(): Promise<void> {
  for (let at = 0; number !== undefined; at += 1) {
    const ids = Array.from({ length: 9 }, (_, each) => `${number}-${at}-${each}`);
    await processor.submitMany(ids.map((id, each) => ({ id, userId: `u-${each}`, amount: 1 })));
  }
}

async function consume(): Promise<void> {
  for await (const outcome of processor.outcomes({ after: table.cursor })) {
    await table.store([outcome]);
    process.stdout.write('.');
  }
}

// An idle storage keeps no process running.
setInterval(() => {}, 1_000);
await Promise.all([submit(), consume()]);
