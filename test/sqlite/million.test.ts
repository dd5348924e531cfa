import { DatabaseSync } from 'node:sqlite';
import { OrderProcessor } from 'order-processor';
import { expect, it } from 'vitest';
import { collect } from '../kit/collect.ts';
import { isFull } from '../kit/full.ts';
import { useFolder } from './helpers.ts';

const folder = useFolder();
/** `npm run full` takes up a million. */
const total = isFull ? 1_000_000 : 50_000;
const capacity = 5_000;

/** As if they had been accepted by a process that was killed. */
function leaveUnsettled(file: string): void {
  const db = new DatabaseSync(file);
  db.exec(`
    PRAGMA synchronous = OFF;
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${total})
    INSERT INTO orders (id, user_id, amount, priority, status, accepted_at, life)
    SELECT 'o-' || i, 'u-' || (i % 1000), 1, 'medium', 'pending', 1700000000000, 1 FROM n;
  `);
  db.close();
}

it(`invariants 6 and 9: ${total} unsettled orders are taken up in the memory of \`capacity\``, {
  timeout: 120_000,
}, async () => {
  await (await folder.open()).close();
  leaveUnsettled(folder.path());
  const storage = await folder.open();
  collect();
  const before = process.memoryUsage().heapUsed;
  let mostUnsettled = 0;
  let mostHeap = 0;
  let completed = 0;
  const processor = new OrderProcessor({ storage, capacity });
  processor.on('completed', () => {
    completed += 1;
    if (completed % 1_000 !== 0) return;
    mostUnsettled = Math.max(mostUnsettled, processor.stats().unsettled);
    if (completed % (total / 5) !== total / 10) return;
    collect();
    mostHeap = Math.max(mostHeap, process.memoryUsage().heapUsed - before);
  });
  await processor.ready;
  await processor.onIdle();
  expect(processor.recovered).toBe(total);
  expect(completed).toBe(total);
  expect(mostUnsettled).toBeLessThanOrEqual(capacity);
  // With all of 200 000 in it there would be more than 50.
  expect(mostHeap / 1e6).toBeLessThan(10);
  expect(await processor.balance('u-7')).toBe(total / 1_000);
  await processor.shutdown();
});
