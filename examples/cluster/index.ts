/**
 * Many machines: processes with a processor each share one PostgreSQL database. One is killed, one freezes, one is added.
 * In the end each order has one outcome, and each balance is exact.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresServer } from '../../test/kit/postgres-server.ts';
import { Callers } from './callers.ts';
import { prove } from './proof.ts';
import { StartedProcess } from './started-process.ts';
import { View } from './view.ts';

const processes: StartedProcess[] = [];
const callers = new Callers(processes);
const view = new View(processes, callers);
const ending = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => ending.abort(new Error(`Ended by ${name}`)));
}
const limit = AbortSignal.any([ending.signal, AbortSignal.timeout(50_000)]);

/** What it waits for ends early when the example does. */
async function until<T>(work: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const stop = (): void => reject(limit.reason);
  if (limit.aborted) stop();
  limit.addEventListener('abort', stop);
  try {
    return await Promise.race([work, promise]);
  } finally {
    limit.removeEventListener('abort', stop);
  }
}

/** @returns whether all is right */
async function show(server: PostgresServer): Promise<boolean> {
  const start = async (name: string): Promise<StartedProcess> => {
    const started = new StartedProcess(name, server.url, {
      answered: (answers) => callers.take(answers),
      noted: (text) => view.say(text),
    });
    processes.push(started);
    await until(started.ready);
    return started;
  };
  const watch = async (ms: number): Promise<void> => {
    await until(sleep(ms));
    view.say(`the slowest answer took ${(callers.takeSlowestMs() / 1_000).toFixed(2)} s`);
  };

  view.say('PostgreSQL runs, three processes start');
  const [north, south, west] = await Promise.all([start('north'), start('south'), start('west')]);
  view.start();
  await until(callers.payIn());
  view.say(`${callers.users.length} users have 100.00 each, and transfer`);
  callers.start();
  await watch(3_000);

  view.say('south is killed');
  south.kill();
  await watch(3_000);

  view.say('west freezes');
  west.freeze();
  await watch(4_000);
  view.say('west wakes: others own its users now');
  west.wake();
  await watch(3_000);

  view.say('east is added');
  const east = await start('east');
  while (view.owned('east') === 0) await until(sleep(50));
  await watch(2_000);

  await until(callers.stop());
  view.say('every order is answered; the processes leave');
  await until(Promise.all([north, west, east].map((each) => each.end())));
  view.stop();
  const findings = await until(prove(server.url, callers));
  const { submitted, sentAgain } = callers;
  console.log(`\n${submitted.size} orders; ${sentAgain} of them were sent again elsewhere`);
  for (const { text, wrong } of findings) console.log(`${text.padEnd(36)} ${wrong}`);
  const isRight = findings.every(({ wrong }) => wrong === 0);
  console.log(
    isRight ? 'Nothing is lost, and every cent is where it belongs' : 'Something is wrong',
  );
  return isRight;
}

/** However this process ends, none is left behind: a frozen one would not end by itself. */
function killAll(): void {
  for (const each of processes) each.kill();
}

process.on('exit', killAll);
try {
  await using server = await PostgresServer.start();
  try {
    if (!(await show(server))) process.exitCode = 1;
  } finally {
    view.stop();
    killAll();
  }
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = ending.signal.aborted ? 130 : 1;
}
