import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { Agent, get, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, describe, expect, it } from 'vitest';

const folder = mkdtempSync(join(tmpdir(), 'sigterm-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** The guide's program that ends by `SIGTERM`, on a free port, with a step that takes so long. */
function program(stepMs: number): string {
  const guide = readFileSync(new URL('../../src/guides/stopping.md', import.meta.url), 'utf8');
  const blocks = [...guide.matchAll(/^```ts\n(.*?)^```\n/gms)].map(([, code = '']) => code);
  const block = blocks.find((code) => code.includes("'SIGTERM'")) as string;
  const step = `{ name: 'work', run: () => new Promise((end) => setTimeout(end, ${stepMs})) }`;
  const code = block
    .replace("'order-processor'", `'${new URL('../../src/index.ts', import.meta.url)}'`)
    .replace('new OrderProcessor()', `new OrderProcessor({ steps: [${step}] })`)
    .replace('listen(8080)', 'listen(0, () => process.send?.(server.address()))');
  const file = join(folder, `server-${stepMs}.mts`);
  writeFileSync(file, code);
  return file;
}

async function start(stepMs: number) {
  const child = spawn(process.execPath, ['--no-warnings', program(stepMs)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ port }] = (await once(child, 'message')) as [{ port: number }];
  const agent = new Agent({ keepAlive: true });
  const request = async (): Promise<string> => {
    const [response] = (await once(get({ port, agent }), 'response')) as [IncomingMessage];
    return `${response.statusCode} ${await text(response)}`;
  };
  return { child, request, end: () => agent.destroy() };
}

describe('the server of the guide about stopping', () => {
  it('invariant 4: answers what is under way and ends by SIGTERM, though a client keeps its connection', async () => {
    const { child, request, end } = await start(500);
    expect(await request()).toBe('200 1200\n');
    const underWay = request();
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill('SIGTERM');
    expect(await underWay).toBe('200 2400\n');
    const [code, signal] = await once(child, 'exit');
    expect([code, signal]).toEqual([0, null]);
    end();
  }, 20_000);

  it('invariant 4: ends where nothing is under way', async () => {
    const { child, request, end } = await start(1);
    expect(await request()).toBe('200 1200\n');
    child.kill('SIGTERM');
    expect(await once(child, 'exit')).toEqual([0, null]);
    end();
  }, 20_000);
});
