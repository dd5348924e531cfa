import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '../../kit/postgres-server.ts';
import { randomFrom } from '../../kit/random.ts';
import type { Crew } from './crew.ts';
import type { NetworkMode } from './network.ts';
import { schema, type Witness } from './witness.ts';

/** How many workers there are. */
export interface CrewSize {
  readonly least: number;
  readonly most: number;
}

export interface FaultOptions extends CrewSize {
  readonly partitions: number;
  readonly seed: number;
  readonly staleMs: number;
}

/** Pauses between faults are longer where fewer calls are answered. */
const answersPerSecond = 100;

/** By so much at most. */
const mostPauses = 5;

interface Fault {
  readonly name: string;
  /** How often it comes, as against others. */
  readonly weight: number;
  run(random: () => number): Promise<void>;
}

/** What happens to processes, sessions, the server and the network, by a seed. */
export class Faults {
  /** How often each has happened. */
  readonly counts = new Map<string, number>();
  readonly #server: PostgresServer;
  readonly #crew: Crew;
  readonly #witness: Witness;
  readonly #options: FaultOptions;
  readonly #progress: () => number;
  #isOver = false;

  /** @param progress - how much work was done: on a slow machine faults come as often as against that */
  constructor(
    server: PostgresServer,
    crew: Crew,
    witness: Witness,
    options: FaultOptions,
    progress: () => number,
  ) {
    this.#server = server;
    this.#crew = crew;
    this.#witness = witness;
    this.#options = options;
    this.#progress = progress;
  }

  /** Resolves after `stop`, when the last ones are over. */
  async run(): Promise<void> {
    const { seed } = this.#options;
    await Promise.all([
      this.#repeat(this.#ofProcesses, randomFrom(seed ^ 0x51ed), 1_000),
      this.#repeat(this.#ofServer, randomFrom(seed ^ 0x2bad), 2_500),
      this.#repeat(this.#ofNetwork, randomFrom(seed ^ 0x3fee), 2_000),
      this.#repeat(this.#ofPartitions, randomFrom(seed ^ 0x4a11), 300),
    ]);
  }

  stop(): void {
    this.#isOver = true;
  }

  async #repeat(faults: readonly Fault[], random: () => number, pauseMs: number): Promise<void> {
    const total = faults.reduce((sum, { weight }) => sum + weight, 0);
    for (;;) {
      await this.#pause(random() * 2 * pauseMs);
      if (this.#isOver) return;
      let left = random() * total;
      const fault = faults.find(({ weight }) => {
        left -= weight;
        return left < 0;
      });
      if (fault === undefined) continue;
      await fault.run(random);
      this.counts.set(fault.name, (this.counts.get(fault.name) ?? 0) + 1);
    }
  }

  async #pause(ms: number): Promise<void> {
    const begin = this.#progress();
    const [start, most] = [performance.now(), ms * mostPauses];
    await sleep(ms);
    // Without any progress only another fault may help.
    while (!this.#isOver && this.#progress() - begin < (ms / 1_000) * answersPerSecond) {
      if (performance.now() - start > most) return;
      await sleep(20);
    }
  }

  readonly #ofProcesses: readonly Fault[] = [
    {
      name: 'kill',
      weight: 3,
      run: async (random) => {
        await this.#crew.any(random)?.kill();
        await sleep(random() * 500);
        if (this.#crew.members.length < this.#options.least) await this.#crew.start();
      },
    },
    {
      name: 'freeze',
      weight: 3,
      run: async (random) => {
        const worker = this.#crew.any(random);
        worker?.freeze();
        await sleep(this.#silenceMs(random));
        if (random() < 0.2) await worker?.kill();
        else worker?.thaw();
      },
    },
    {
      name: 'join',
      weight: 2,
      run: async () => {
        if (this.#crew.members.length < this.#options.most) await this.#crew.start();
      },
    },
    {
      name: 'leave',
      weight: 2,
      run: async (random) => {
        void this.#crew.any(random)?.leave();
        if (this.#crew.members.length < this.#options.least) await this.#crew.start();
      },
    },
    {
      name: 'consumer elsewhere',
      weight: 2,
      run: async (random) => {
        void this.#crew
          .any(random)
          ?.ask({ do: 'consume' })
          .catch(() => {});
      },
    },
  ];

  readonly #ofServer: readonly Fault[] = [
    {
      name: 'session terminated',
      weight: 4,
      run: async (random) => {
        await this.#witness.query(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
          WHERE application_name LIKE 'order-processor%' ORDER BY pid % ${1 + Math.floor(random() * 17)} LIMIT 1`);
      },
    },
    {
      name: 'restart, fast',
      weight: 1,
      run: (random) => this.#restart('fast', random),
    },
    {
      name: 'restart, immediate',
      weight: 1,
      run: (random) => this.#restart('immediate', random),
    },
  ];

  readonly #ofNetwork: readonly Fault[] = [
    { name: 'network stalled', weight: 3, run: (random) => this.#turn('stalled', random) },
    { name: 'network mute', weight: 2, run: (random) => this.#turn('mute', random) },
    { name: 'network refused', weight: 1, run: (random) => this.#turn('refused', random) },
  ];

  readonly #ofPartitions: readonly Fault[] = [
    { name: 'partition moved by hand', weight: 1, run: (random) => this.#move(random) },
  ];

  async #restart(mode: 'fast' | 'immediate', random: () => number): Promise<void> {
    const stopped = this.#server.stop(mode);
    // A process that is stopped may keep its session from ending.
    const isLate = await Promise.race([stopped.then(() => false), sleep(10_000, true)]);
    if (isLate) await this.#server.stop('immediate');
    await sleep(random() * this.#options.staleMs);
    await this.#server.restart();
  }

  async #turn(mode: NetworkMode, random: () => number): Promise<void> {
    const worker = this.#crew.any(random);
    worker?.network.turn(mode);
    await sleep(this.#silenceMs(random));
    worker?.network.turn('open');
  }

  /** Often it ends when others have just taken over: what was sent before arrives while they are at the same orders. */
  #silenceMs(random: () => number): number {
    const share = random() < 0.5 ? 0.95 + random() * 0.35 : random() * 2;
    return this.#options.staleMs * share;
  }

  /**
   * Gives a partition to another processor, as an eviction does: its owner's settlements have ended by then, and it does
   * not come back to that one, which may not have noticed.
   */
  async #move(random: () => number): Promise<void> {
    const part = Math.floor(random() * this.#options.partitions);
    const place = Math.floor(random() * 7);
    const text = `DO $$ DECLARE old integer; BEGIN
      SET LOCAL lock_timeout = 500;
      SELECT owner INTO old FROM ${schema}.partitions WHERE part = ${part};
      PERFORM 1 FROM ${schema}.processors WHERE number = old FOR UPDATE;
      INSERT INTO chaos.moved SELECT ${part}, old WHERE old IS NOT NULL ON CONFLICT DO NOTHING;
      UPDATE ${schema}.partitions SET epoch = epoch + 1, owner = (SELECT number FROM ${schema}.processors
        WHERE shares AND NOT EXISTS (SELECT FROM chaos.moved m WHERE m.part = ${part} AND m.owner = number)
        ORDER BY (number * 31 + ${place}) % 7 LIMIT 1)
      WHERE part = ${part} AND owner = old;
      EXCEPTION WHEN lock_not_available OR foreign_key_violation OR deadlock_detected THEN NULL;
    END $$`;
    await this.#witness.query(text);
  }
}
