/**
 * Sends more than the service can process, and shows how its queue fills, refuses, and empties again:
 * `node examples/services/ingest-service/load.ts [URL]`.
 */
import { setTimeout as sleep } from 'node:timers/promises';

const url = process.argv[2] ?? 'http://127.0.0.1:8080';
const roundMs = 200;

async function submit(): Promise<number> {
  const { status } = await fetch(`${url}/submit`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ id: crypto.randomUUID(), value: 100.5 }),
  });
  return status;
}

async function queueDepth(): Promise<number> {
  const response = await fetch(`${url}/metrics`);
  return Number(/^queue_depth (\d+)$/m.exec(await response.text())?.[1]);
}

const row = (...cells: unknown[]): string =>
  cells.map((cell) => String(cell).padStart(13)).join('');

console.log(row('sent', 'accepted', 'refused', 'queue_depth'));
for (const count of [40, 40, 40, 40, 40, 40, 40, 40, 0, 0, 0, 0, 0, 0]) {
  const isOver = sleep(roundMs);
  const statuses = await Promise.all(Array.from({ length: count }, submit));
  const [accepted, refused] = [202, 503].map((code) => statuses.filter((s) => s === code).length);
  console.log(row(count, accepted, refused, await queueDepth()));
  await isOver;
}
