import { OrderProcessor } from './src/index.ts';
import { SqliteStorage } from './src/sqlite/index.ts';
import { rmSync } from 'node:fs';
const N = 10_000;
const ways: Record<string, (p: OrderProcessor) => unknown> = {
  submitMany: (p) => p.submitMany(orders()),
  submit: (p) => { for (const o of orders()) p.submit(o).catch(() => {}); },
  enqueue: (p) => { for (const o of orders()) p.enqueue(o).catch(() => {}); },
  stream: (p) => (async () => { for await (const _ of p.submitStream(orders())); })(),
};
const orders = () => Array.from({ length: N }, (_, i) => ({ id: `h-${i}`, userId: 'hog', amount: 1, priority: 'low' as const }));
for (const storageKind of ['memory', 'file']) for (const steps of [false, true]) for (const overflow of ['reject','wait'] as const) for (const [name, way] of Object.entries(ways)) {
  const path = '/tmp/scratch-core/f.db';
  for (const s of ['', '-wal', '-shm', '-lock']) rmSync(path + s, { force: true });
  const storage = storageKind === 'file' ? await SqliteStorage.open(path) : undefined;
  const capacity = overflow === 'wait' ? 1000 : 100_000;
  const p = new OrderProcessor({ ...(storage && { storage }), capacity, overflow, ...(steps && { concurrency: 16, steps: [{ name: 's', run: async () => {} }] }) });
  await p.ready;
  const all = Promise.resolve(way(p)).catch(() => {});
  const waits: number[] = [];
  for (let i = 0; i < 5; i++) {
    if (i > 0) await new Promise((r) => setTimeout(r, 10));
    const before = p.stats().completed;
    if (before >= N) break;
    await p.submit({ userId: `other-${i}`, amount: 1, priority: 'high' });
    waits.push(p.stats().completed - before - 1);
  }
  console.log(storageKind.padEnd(7), steps ? 'step' : 'none', overflow.padEnd(7), name.padEnd(11), waits.join(' '));
  await all; await p.onIdle(); await p.shutdown();
}
