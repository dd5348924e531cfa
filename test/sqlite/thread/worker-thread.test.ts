/** The thread that has the file: how it is found, and what it listens to (invariant 8). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { build, type Format } from 'esbuild';
import { expect, it } from 'vitest';
import { contentOf, enclosed } from '../../../src/sqlite/thread/protocol.ts';
import { workerInside } from '../../../tsup.config.ts';
import { useFolder } from '../helpers.ts';

const folder = useFolder();
const source = (name: string) =>
  pathToFileURL(join(import.meta.dirname, '../../../src/sqlite', name)).href;

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
  const worker = new Worker(new URL(source('thread/worker.ts')), { workerData });
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

/** Bundles the package as it is published, and then a program with it, into a folder with nothing else. */
async function bundled(format: Format): Promise<string> {
  const published = folder.path('published.mjs');
  const shared = { bundle: true, platform: 'node', logLevel: 'silent' } as const;
  await build({
    ...shared,
    entryPoints: [join(import.meta.dirname, '../../../src/sqlite/index.ts')],
    outfile: published,
    format: 'esm',
    plugins: [workerInside],
  });
  const program = folder.path('program.mjs');
  writeFileSync(
    program,
    `import { SqliteStorage } from ${JSON.stringify(published)};
     SqliteStorage.open(${JSON.stringify(folder.path())}).then(async (storage) => {
       await storage.apply([{ orderId: 'a', userId: 'u-1', amount: 5 }]);
       console.log(await storage.get('u-1'), (await storage.list({ limit: 9 })).orders.length, await storage.check());
       await storage.close();
     });`,
  );
  mkdirSync(folder.path('far'));
  const outfile = folder.path(`far/bundle.${format === 'cjs' ? 'cjs' : 'mjs'}`);
  const { warnings } = await build({ ...shared, entryPoints: [program], outfile, format });
  expect(warnings).toEqual([]);
  // A bundler may take any name for the thread's file; it is no file of the program.
  writeFileSync(folder.path('far/worker.js'), 'console.log("a stranger")');
  rmSync(published);
  return outfile;
}

it.each<Format>(['esm', 'cjs'])(
  'the thread is found in a bundle of the format %s',
  async (format) => {
    const outfile = await bundled(format);
    for (const args of [
      [outfile],
      ['--input-type=module', '--eval', `await import('${outfile}')`],
    ]) {
      expect(await printed(args, 'never')).toBe('5 1 []\n');
    }
  },
);
