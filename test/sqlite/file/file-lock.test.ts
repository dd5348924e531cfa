/** One storage has a file at a time, even if its process opens or copies the files (invariants 3 and 9). */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { OrderProcessor } from 'order-processor';
import { describe, expect, it, vi } from 'vitest';
import { isFull } from '../../kit/full.ts';
import {
  ask,
  inProcess,
  newOrder,
  rejection,
  run,
  tamper,
  unsettledOf,
  useFolder,
} from '../helpers.ts';

const folder = useFolder();
const tryToOpen = `await SqliteStorage.open(path).then(
  () => console.log('open'), (error) => console.log(error.message));`;

describe('invariant 3: a file in use is refused to another process', () => {
  it.each([
    ['read its lock', () => void readFileSync(folder.path('orders.db-lock'))],
    ['read every file', () => void folder.files().map((name) => readFileSync(folder.path(name)))],
    [
      'copied the folder',
      () => cpSync(dirname(folder.path()), folder.path('../copied'), { recursive: true }),
    ],
  ])('after its own process has %s', async (_, read) => {
    await folder.open();
    read();
    rmSync(folder.path('../copied'), { recursive: true, force: true });
    const { text } = await run(folder.path(), tryToOpen);
    expect(text).toBe(`The file ${folder.path()} is in use by process ${process.pid}\n`);
  });

  it('whose error says that it is in use and never that it is damaged', async () => {
    const storage = await folder.open({ durability: 'relaxed' });
    let count = 0;
    const end = run(
      folder.path(),
      `const messages = new Map();
       for (let at = 0; at < 20; at += 1) {
         const { message } = await SqliteStorage.open(path).catch((error) => error);
         messages.set(message, 1 + (messages.get(message) ?? 0));
       }
       console.log(JSON.stringify([...messages]));`,
    );
    let isOver = false;
    void end.then(() => {
      isOver = true;
    });
    while (!isOver) {
      await storage.accept([newOrder(`o-${count}`, { payload: 'x'.repeat(10_000) })]);
      count += 1;
    }
    expect(JSON.parse((await end).text)).toEqual([
      [`The file ${folder.path()} is in use by process ${process.pid}`, 20],
    ]);
  });

  it('with the host in the error, where pids mean something else', async () => {
    await folder.open();
    const path = folder.path('orders.db-owner');
    const owner = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...owner, host: 'box-7', namespace: 'pid:[1]' }));
    const message = `The file ${folder.path()} is in use by process ${process.pid} on the host "box-7"`;
    expect((await rejection(folder.open())).message).toBe(message);
    expect((await run(folder.path(), tryToOpen)).text).toBe(`${message}\n`);
  });
});

describe('an owner that has ended', () => {
  it.each([
    ['on this host', {}],
    ['whose pid is another process’s now', { pid: process.pid, startedAt: '1' }],
    ['of a file that was copied from', { pid: process.pid, lock: '1:1' }],
    ['that cannot be read', 'no JSON'],
  ])('does not keep others out: one %s', async (_, fields) => {
    const { text } = await run(
      folder.path(),
      `await SqliteStorage.open(path);
       process.kill(process.pid, 'SIGKILL');`,
    );
    expect(text).toBe('');
    const path = folder.path('orders.db-owner');
    const owner = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(
      path,
      typeof fields === 'string' ? fields : JSON.stringify({ ...owner, ...fields }),
    );
    const startedAt = performance.now();
    await folder.open();
    expect(performance.now() - startedAt).toBeLessThan(2_000);
    expect(JSON.parse(readFileSync(path, 'utf8'))).toMatchObject({ pid: process.pid });
  });

  it('does not keep others out for long: one in another container, of which no sign of life comes', async () => {
    await run(
      folder.path(),
      `await SqliteStorage.open(path);
       process.kill(process.pid, 'SIGKILL');`,
    );
    const path = folder.path('orders.db-owner');
    const owner = JSON.parse(readFileSync(path, 'utf8'));
    writeFileSync(path, JSON.stringify({ ...owner, host: 'box-7', namespace: 'pid:[1]' }));
    await (await folder.open()).close();
    expect(existsSync(path)).toBe(false);
  });
});

describe('invariant 3: where a second storage got in all the same', () => {
  it('the first one writes no more, and rejects every later call', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    // What another storage does first.
    tamper(folder.path(), 'UPDATE meta SET life = life + 1');
    for (const id of ['b', 'c', 'd']) {
      const { message } = await rejection(storage.accept([newOrder(id)]));
      expect(message).toBe(
        `The file ${folder.path()} was opened by another storage meanwhile: this one writes no more`,
      );
    }
    expect(ask(folder.path(), 'SELECT id FROM orders')).toEqual([{ id: 'a' }]);
  });

  it('an order is charged by one of them', async () => {
    const storage = await folder.open();
    const processor = new OrderProcessor({ storage, steps: [{ name: 'charge', run: () => true }] });
    await processor.submit({ id: 'a', userId: 'u-1', amount: 5 });
    tamper(folder.path(), 'UPDATE meta SET life = life + 1');
    const error = await rejection(processor.submit({ id: 'b', userId: 'u-1', amount: 5 }));
    expect(error).toMatchObject({ code: 'storage_failed' });
    await processor.shutdown();
    expect(ask(folder.path(), 'SELECT balance FROM balances')).toEqual([{ balance: 5 }]);
  });
});

/** Which locks on the file and on the index of its log this process has. */
function locksHeld(): number {
  const inodes = ['', '-shm'].map((end) => statSync(folder.path(`orders.db${end}`)).ino);
  const lines = readFileSync('/proc/locks', 'utf8').split('\n');
  const isHeld = (inode: number, byte: number): boolean =>
    lines.some((line) => line.includes(` ${process.pid} `) && line.includes(`:${inode} ${byte} `));
  return [isHeld(Number(inodes[0]), 1_073_741_826), isHeld(Number(inodes[1]), 128)].filter(Boolean)
    .length;
}

describe.skipIf(process.platform !== 'linux')('locks that a copy of the folder has dropped', () => {
  function copy(): void {
    expect(locksHeld()).toBe(2);
    cpSync(dirname(folder.path()), folder.path('../copied'), { recursive: true });
    rmSync(folder.path('../copied'), { recursive: true });
    expect(locksHeld()).toBe(0);
  }

  const readElsewhere = () =>
    run(
      folder.path(),
      `import { DatabaseSync } from 'node:sqlite';
       const db = new DatabaseSync(path, { timeout: 5_000 });
       console.log(db.prepare('SELECT count(*) AS count FROM orders').get().count);
       db.close();`,
    );

  it('are taken anew, so that a shell that reads takes nothing away', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    copy();
    await vi.waitFor(() => expect(locksHeld()).toBe(2), 5_000);
    const log = statSync(folder.path('orders.db-wal')).ino;
    expect((await readElsewhere()).text).toBe('1\n');
    expect(statSync(folder.path('orders.db-wal')).ino).toBe(log);
    await storage.accept([newOrder('b')]);
    expect(await unsettledOf(storage)).toEqual(['a', 'b']);
  });

  it('are taken anew also while the connection of the lists is open', async () => {
    const storage = await folder.open();
    await storage.accept([newOrder('a')]);
    await storage.list({ limit: 1 });
    copy();
    await storage.accept([newOrder('b')]);
    await vi.waitFor(async () => {
      await storage.accept([newOrder('b')]);
      expect(locksHeld()).toBe(2);
    }, 5_000);
    expect((await storage.list({ limit: 9 })).orders).toHaveLength(2);
  });

  it('invariant 9: what was acknowledged meanwhile is in the file, even if a shell opens it', async () => {
    const child = inProcess(
      folder.path(),
      `import { cpSync } from 'node:fs';
       import { dirname } from 'node:path';
       const storage = await SqliteStorage.open(path, { durability: 'relaxed' });
       console.log('open');
       setInterval(() => {
         try {
           cpSync(dirname(path), dirname(path) + '-copied', { recursive: true });
         } catch {
           // A log that has just gone.
         }
       }, 100);
       for (let at = 0; ; at += 1) {
         const change = { orderId: 'o-' + at, userId: 'u-1', amount: 1, minBalance: undefined };
         await storage.apply([change]).then(() => console.log(change.orderId), () => {});
       }`,
    );
    // SIGBUS may end it before the kill does.
    const closed = once(child, 'close');
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += String(chunk);
    });
    await once(child.stdout as NodeJS.ReadableStream, 'data');
    for (let time = 0; time < 5; time += 1) await readElsewhere();
    child.kill('SIGKILL');
    await closed;
    rmSync(`${dirname(folder.path())}-copied`, { recursive: true, force: true });
    const acknowledged = text.split('\n').slice(1, -1);
    expect(acknowledged.length).toBeGreaterThan(20);
    const storage = await folder.open();
    expect(await storage.check()).toEqual([]);
    const rows = ask(folder.path(), 'SELECT id FROM orders');
    const kept = new Set(rows.map(({ id }) => id));
    expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
  });
});

describe('waitMs', () => {
  it('waits for the process before this one, however it ends', async () => {
    for (const signal of isFull ? (['SIGKILL', 'SIGTERM'] as const) : (['SIGKILL'] as const)) {
      const child = inProcess(
        folder.path(),
        `const storage = await SqliteStorage.open(path);
         await storage.accept([${JSON.stringify(newOrder('a'))}]);
         process.once('SIGTERM', async () => {
           await storage.close();
           process.exit();
         });
         console.log('open');
         setInterval(() => {}, 1_000);`,
      );
      await once(child.stdout as NodeJS.ReadableStream, 'data');
      const opening = folder.open({ waitMs: 20_000 });
      setTimeout(() => child.kill(signal), 300);
      const storage = await opening;
      expect(await unsettledOf(storage)).toEqual(['a']);
      await storage.close();
    }
  });

  it('refuses a file that is in use for longer, and does not hold the event loop meanwhile', async () => {
    await folder.open();
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 10);
    const startedAt = performance.now();
    const { message } = await rejection(folder.open({ waitMs: 500 }));
    clearInterval(timer);
    expect(message).toContain(`in use by this process (${process.pid})`);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(500);
    expect(turns).toBeGreaterThan(15);
  });

  it.each([-1, 0.5, '1', Number.NaN])('is an integer from 0 up, and not %j', async (waitMs) => {
    const { message } = await rejection(folder.open({ waitMs: waitMs as number }));
    expect(message).toContain('Expected `waitMs` to be an integer from 0 up');
  });
});

// Two containers with one volume: each has pids of its own, and is process 1 there.
const isolated = ['--pid', '--uts', '--fork', '--mount-proc', '--kill-child'];
const canIsolate = await once(spawn('unshare', [...isolated, 'true']), 'close').then(
  ([code]) => code === 0,
  () => false,
);

describe.skipIf(!canIsolate)('in containers (needs `unshare` and the right to use it)', () => {
  function inContainer(name: string, code: string) {
    const entry = pathToFileURL(`${import.meta.dirname}/../../../src/sqlite/index.ts`).href;
    const program = `
      import { SqliteStorage } from ${JSON.stringify(entry)};
      import { readFileSync } from 'node:fs';
      const path = ${JSON.stringify(folder.path())};
      ${code}`;
    const command = `hostname ${name}; exec "$0" --input-type=module --eval "$1"`;
    return spawn('unshare', [...isolated, 'sh', '-c', command, process.execPath, program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
  }

  it('invariant 3: process 1 of another one is not taken for this process, lock lost or not', async () => {
    const first = inContainer(
      'box-1',
      `await SqliteStorage.open(path);
       console.log(process.pid);
       setInterval(() => readFileSync(path + '-lock'), 50);`,
    );
    expect(String((await once(first.stdout, 'data'))[0])).toBe('1\n');
    const second = inContainer('box-2', tryToOpen);
    let text = '';
    second.stdout.on('data', (chunk) => {
      text += String(chunk);
    });
    await once(second, 'close');
    first.kill('SIGKILL');
    await once(first, 'close');
    expect(text).toBe(`The file ${folder.path()} is in use by process 1 on the host "box-1"\n`);
  });
});
