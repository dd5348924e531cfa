import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { OrderProcessor } from '../../src/index.ts';
import { SqliteStorage } from '../../src/sqlite/index.ts';
import { randomFrom } from '../kit/random.ts';
import { type Acknowledgement, judge } from './judge.ts';
import { type Kill, tracedBy } from './strace.ts';

/**
 * `'steps'`: every order has a journal entry. `'plain'`: so it is in every second process; in the others only orders that
 * must wait have one. `'bank'`: every order is a transfer among 1 000 accounts, so that the sum of all balances is 0 at
 * each moment: some with less than was ordered, some delayed, some that hold their lane and are released.
 */
export type Kind = 'plain' | 'steps' | 'bank';

/** What became of a file that was killed again and again. */
export interface Verdict {
  readonly faults: string[];
  readonly acknowledged: number;
  readonly recovered: number;
}

/**
 * Lets one process after the other work on a file, kills each at a random moment with SIGKILL, has the
 * rest settled in peace, and judges.
 */
export async function killAgainAndAgain(
  file: string,
  kind: Kind,
  seed: number,
  kills: number,
): Promise<Verdict> {
  const random = randomFrom(seed);
  const acknowledged: Acknowledgement[] = [];
  for (let number = 1; number <= kills; number += 1) {
    const seedOfProcess = Math.floor(random() * 2 ** 31);
    // Some are killed while they open the file or take up orders of the one before.
    const killed =
      random() < 0.3 ? { afterStartMs: random() * 400 } : { afterReadyMs: random() * 120 };
    acknowledged.push(...(await runProcess(file, kind, number, seedOfProcess, killed)));
  }
  const recovered = acknowledged.reduce((sum, each) => sum + ('ready' in each ? each.ready : 0), 0);
  await settleTheRest(file);
  if (kind === 'bank') acknowledged.push(...madeMoney(file));
  return { faults: judge(file, acknowledged), acknowledged: acknowledged.length, recovered };
}

/**
 * Kills a process under load right after its Nth write into the file itself, as a checkpoint makes them, has
 * the rest settled in peace, and judges.
 */
export async function killInCheckpoint(file: string, kind: Kind, write: number): Promise<Verdict> {
  const acknowledged: Acknowledgement[] = [
    ...(await runProcess(file, kind, 1, write, { afterReadyMs: 20 })),
    ...(await runProcess(file, kind, 2, write, {
      at: { path: file, calls: 'pwrite64', nth: write },
    })),
  ];
  await settleTheRest(file);
  return { faults: judge(file, acknowledged), acknowledged: acknowledged.length, recovered: 0 };
}

/** When a process is killed. */
interface KillTime {
  readonly afterStartMs?: number;
  readonly afterReadyMs?: number;
  /** Its orders are long, so that the log is soon full. */
  readonly at?: Kill;
}

async function runProcess(
  file: string,
  kind: Kind,
  number: number,
  seed: number,
  killed: KillTime,
): Promise<Acknowledgement[]> {
  const program = join(import.meta.dirname, 'child.ts');
  const words = [process.execPath, program, file, `${number}`, `${seed}`, kind];
  const [command = '', ...args] =
    killed.at === undefined ? words : tracedBy(killed.at, [...words, '20000']);
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (text) => {
    complaint += text;
  });
  const said: Acknowledgement[] = [];
  const kill = (): void => void child.kill('SIGKILL');
  const { afterStartMs, afterReadyMs } = killed;
  // However slow a traced process is, it comes to an end.
  const first = killed.at === undefined ? afterStartMs : 60_000;
  let killer = first === undefined ? undefined : setTimeout(kill, first);
  // A line that the kill has cut in two was not given.
  for await (const line of createInterface(child.stdout)) {
    if (!line.endsWith('}')) continue;
    said.push(JSON.parse(line) as Acknowledgement);
    if (kind === 'bank' && said.length % 20 === 0) said.push(...madeMoney(file));
    // However busy the machine is, it has done some of its work by then.
    if (said.length > 5) killer ??= setTimeout(kill, afterReadyMs);
  }
  clearTimeout(killer);
  await ended(child);
  if (child.signalCode !== 'SIGKILL')
    said.push({ fault: complaint || 'ended by itself', id: `process ${number}` });
  return said;
}

/** What is wrong with the sum of all balances, read in one page while the process writes. */
function madeMoney(file: string): Acknowledgement[] {
  const db = new DatabaseSync(file, { readOnly: true, timeout: 1_000 });
  const { sum } = db.prepare('SELECT sum(balance) AS sum FROM balances').get() as { sum: number };
  db.close();
  return sum === 0 || sum === null
    ? []
    : [{ fault: `the sum of all balances is ${sum}`, id: 'bank' }];
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

async function settleTheRest(file: string): Promise<void> {
  const steps = [
    { name: 'payment', run: () => true },
    { name: 'courier', run: () => true },
  ];
  const processor = new OrderProcessor({ storage: await SqliteStorage.open(file), steps });
  await processor.ready;
  await processor.onIdle();
  // One that had failed before the last kill may hold its lane only now.
  for (let held = true; held; ) {
    const { holds } = await processor.holds({ limit: 1_000 });
    for (const { userId, orderId } of holds) {
      await processor.release(userId, orderId === undefined ? undefined : 'retry');
    }
    await processor.onIdle();
    held = holds.length > 0;
  }
  await processor.shutdown();
}
