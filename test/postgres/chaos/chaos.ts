import { setTimeout as sleep } from 'node:timers/promises';
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import type { PostgresServer } from '../../kit/postgres-server.ts';
import { Crew } from './crew.ts';
import { type CrewSize, Faults } from './faults.ts';
import { Callers } from './load/callers.ts';
import { Operators } from './load/operators.ts';
import { partitions } from './load/orders.ts';
import { judge, type Verdict } from './verdict/verdict.ts';
import { schema, Witness } from './witness.ts';
import { workerProgram } from './worker-program.ts';

export interface ChaosOptions extends CrewSize {
  /** Load and faults come from it. When things happen depends on the machine, so a seed does not repeat a run. */
  readonly seed: number;
  /** How long faults and load go on, in milliseconds. */
  readonly forMs: number;
  readonly callers: number;
}

export interface ChaosResult extends Verdict {
  /** How often each fault has happened. */
  readonly faults: Readonly<Record<string, number>>;
}

const beatMs = 200;
const staleMs = 1_600;

/** How long orders may take when nothing happens any more, in milliseconds: much longer than any machine needs. */
const peaceMs = 120_000;

/** Processors under load on one database, and everything that may happen to them. */
export async function chaos(server: PostgresServer, options: ChaosOptions): Promise<ChaosResult> {
  const { seed, forMs, least, most } = options;
  const problems: string[] = [];
  const report = (problem: string): void => void problems.push(problem);
  await using witness = await Witness.start(server, partitions, seed, staleMs * 1.5);
  const settings = { partitions, seed, beatMs, staleMs, least, most };
  await using program = await workerProgram();
  await using crew = new Crew(server, { ...settings, program: program.path }, report);
  const first = await Promise.all(Array.from({ length: least }, () => crew.start()));
  await Promise.all(first.map(({ ready }) => ready));
  const consumer = setInterval(
    () => void crew.members[0]?.ask({ do: 'consume' }).catch(() => {}),
    500,
  );

  const callers = new Callers(crew, seed, report);
  const calls = callers.run(options.callers);
  const operators = new Operators(crew, callers, witness, seed, report);
  const operating = operators.run();
  const faults = new Faults(server, crew, witness, settings, () => callers.answers);
  const happening = faults.run().catch((error) => report(`Faults ended: ${error}`));
  await sleep(forMs);
  faults.stop();
  await happening;
  crew.heal();
  callers.stop();
  operators.leave();

  if (!(await isInTime(calls))) report('A caller got no answer (invariant 4)');
  if (!(await untilNone(witness, `SELECT count(*) FROM ${schema}.pending`))) {
    report(`Orders stay unsettled (invariant 4): ${await unsettled(witness)}`);
  }
  operators.stop();
  await operating;
  const left = `SELECT count(*) FROM ${schema}.outcomes WHERE settlement > coalesce(
    (SELECT max(settlement) FROM chaos.consumed), 0)`;
  if (!(await untilNone(witness, left))) report('The feed does not come to its end');
  clearInterval(consumer);
  for (const name of await crew.leaveAll(peaceMs)) report(`${name} does not leave (invariant 4)`);

  const storage = await PostgresStorage.open({ connectionString: server.url, schema });
  const verdict = await judge({
    storage,
    witness,
    called: callers.called,
    heldTimes: operators.heldTimes,
  });
  await storage.close();
  return {
    problems: [...problems, ...verdict.problems],
    counts: { ...verdict.counts, ...Object.fromEntries(operators.counts) },
    faults: Object.fromEntries(faults.counts),
  };
}

async function isInTime(work: Promise<unknown>): Promise<boolean> {
  const late = new AbortController();
  const { signal } = late;
  const isLate = sleep(peaceMs, false, { signal }).catch(() => false);
  const isDone = await Promise.race([work.then(() => true), isLate]);
  late.abort();
  return isDone;
}

/** Whether a count comes to 0 in time. */
async function untilNone(witness: Witness, text: string): Promise<boolean> {
  for (const end = performance.now() + peaceMs; performance.now() < end; await sleep(50)) {
    const [row] = await witness.query<{ count: string }>(text);
    if (row?.count === '0') return true;
  }
  return false;
}

async function unsettled(witness: Witness): Promise<string> {
  const rows = await witness.query(
    `SELECT o.id, p.*, t.owner FROM ${schema}.pending p JOIN ${schema}.orders o USING (seq)
     JOIN ${schema}.partitions t ON t.part = p.part ORDER BY seq LIMIT 5`,
  );
  return JSON.stringify(rows);
}
