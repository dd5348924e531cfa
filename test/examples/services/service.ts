import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Life } from './service/life.ts';

/** As a user starts it; everything else about it is in service/. */
export async function checkService(): Promise<void> {
  const DATA_DIR = await mkdtemp(join(tmpdir(), 'order-service-'));
  const program = join(import.meta.dirname, '../../../examples/run.ts');
  try {
    using life = new Life({ command: [process.execPath, program, 'service'], env: { DATA_DIR } });
    const { url } = await life.listening();
    const headers = { 'content-type': 'application/json', prefer: 'wait=10' };
    // The command of the README.
    const order = { id: 'o-1', userId: 'u-1', amount: 1200 };
    const body = JSON.stringify({ ...order, payload: { card: 'card-1', items: ['tea'] } });
    const answer = await fetch(`${url}/orders`, { method: 'POST', headers, body });
    assert.equal(answer.status, 200);
    const balance = await fetch(`${url}/users/u-1/balance`);
    assert.equal(await balance.text(), '{"userId":"u-1","balance":1200}');
    assert.deepEqual(await life.signal('SIGTERM'), [0, null], life.errors);
  } finally {
    await rm(DATA_DIR, { recursive: true });
  }
}
