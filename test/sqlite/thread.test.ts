/** The thread that has the file: how it is found, and what it listens to (invariant 8). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { contentOf, enclosed } from '../../src/sqlite/protocol.ts';
import { useFolder } from './helpers.ts';

const folder = useFolder();
const source = (name: string) =>
  pathToFileURL(join(import.meta.dirname, '../../src/sqlite', name)).href;

/** What a program prints until it has printed `last`; then it is ended. */
async function printed(args: readonly string[], last: string): Promise<string> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      text += String(chunk);
      if (text.includes(last)) child.kill();
    });
  }
  await once(child, 'close');
  return text;
}

it('invariant 8: under `node --watch`, whose messages come to the same port, a file is opened and closed', async () => {
  writeFileSync(
    folder.path('program.mjs'),
    `import { SqliteStorage } from ${JSON.stringify(source('index.ts'))};
     const storage = await SqliteStorage.open(${JSON.stringify(folder.path())});
     console.log(await storage.accept([]));
     await storage.close();
     console.log('closed');`,
  );
  const text = await printed(['--watch', folder.path('program.mjs')], 'Waiting for file changes');
  expect(text).toContain('closed\n');
  expect(text).not.toContain('Error');
});

it('invariant 8: the thread answers its own messages and no others', async () => {
  const options = { durability: 'full', maxBytes: undefined, reopened: undefined };
  const workerData = { kind: 'serve', path: folder.path(), options };
  const worker = new Worker(new URL(source('worker.ts')), { workerData });
  const answers: unknown[] = [];
  worker.on('message', (message) => answers.push(contentOf(message)));
  await once(worker, 'message');
  for (const foreign of [undefined, null, 'text', {}, { 'watch:import': [] }, { kind: 'close' }]) {
    worker.postMessage(foreign);
  }
  worker.postMessage(enclosed({ kind: 'close' }));
  expect(await once(worker, 'exit')).toEqual([0]);
  expect(answers).toHaveLength(2);
  expect(answers).toMatchObject([{ opened: { life: 1 } }, { results: [] }]);
});
