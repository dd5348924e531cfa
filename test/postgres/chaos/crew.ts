import { setTimeout as sleep } from 'node:timers/promises';
import type { PostgresServer } from '../../kit/postgres-server.ts';
import { randomFrom } from '../../kit/random.ts';
import type { Answer, Request } from './messages.ts';
import { Network } from './network.ts';
import { roles, schema } from './witness.ts';
import { WorkerError, WorkerProcess } from './worker-process.ts';

export interface CrewOptions {
  readonly partitions: number;
  readonly seed: number;
  readonly beatMs: number;
  readonly staleMs: number;
  /** See `workerProgram`. */
  readonly program: string;
}

/** What follows from an answer, however late it comes. */
export interface Asking {
  answered(answer: Answer): void;
  failed(error: WorkerError): void;
}

const hourMs = 3_600_000;

/** How long a statement waits at most that is sent at once with another one, in milliseconds. */
const mostPauseMs = 3_000;

/** The workers that there are. */
export class Crew implements AsyncDisposable {
  readonly #server: PostgresServer;
  readonly #options: CrewOptions;
  readonly #report: (problem: string) => void;
  readonly #workers = new Set<WorkerProcess>();
  #started = 0;
  /** How long orders take to be accepted, as of late, in milliseconds. */
  #answerMs = 50;

  constructor(server: PostgresServer, options: CrewOptions, report: (problem: string) => void) {
    this.#server = server;
    this.#options = options;
    this.#report = report;
  }

  /** Those that are asked for something. */
  get members(): readonly WorkerProcess[] {
    return [...this.#workers].filter(({ isGone, isLeaving }) => !isGone && !isLeaving);
  }

  /** One of them, if there are any. Who asks does not know whether it is frozen or cut off. */
  any(random: () => number): WorkerProcess | undefined {
    const { members } = this;
    return members[Math.floor(random() * members.length)];
  }

  /** Asks any worker, and waits for some time. Resolves with `undefined` for an error, and if there is no answer by then. */
  async ask(request: Request, random: () => number, asking: Asking): Promise<Answer | undefined> {
    const worker = this.any(random);
    if (worker === undefined) {
      await sleep(50);
      asking.failed(new WorkerError('gone', 'No worker is there'));
      return undefined;
    }
    const askedAt = performance.now();
    const asked = worker.ask(request).then(
      (answer) => {
        const ms = performance.now() - askedAt;
        if (request.do === 'enqueue') this.#answerMs += (ms - this.#answerMs) / 20;
        asking.answered(answer);
        return answer;
      },
      (error: WorkerError) => {
        asking.failed(error);
        return undefined;
      },
    );
    const patience = new AbortController();
    const { signal } = patience;
    const late = sleep(300 + random() * 3_000, undefined, { signal }).catch(() => undefined);
    const answer = await Promise.race([asked, late]);
    patience.abort();
    return answer;
  }

  async start(): Promise<WorkerProcess> {
    this.#started += 1;
    const { port } = this.#server;
    const { seed, partitions, beatMs, staleMs, program } = this.#options;
    const number = this.#started;
    const role = roles[number % roles.length];
    const random = randomFrom(seed + number);
    // Long enough for other calls to be answered meanwhile.
    const pauses = (): number =>
      random() < 0.3 ? random() * Math.min(mostPauseMs, 4 * this.#answerMs) : 0;
    const network = await Network.start(port, pauses);
    const urlAt = (at: number): string => `postgres://${role}@127.0.0.1:${at}/postgres`;
    const worker = new WorkerProcess(
      program,
      {
        ...{ partitions, beatMs, staleMs },
        url: urlAt(network.port),
        witnessUrl: urlAt(port),
        schema,
        name: `w-${number}`,
        seed,
        capacity: [400, 8, 30][number % 3] as number,
        clockMs: [0, hourMs, -hourMs][Math.floor(number / 2) % 3] as number,
      },
      network,
      this.#report,
    );
    this.#workers.add(worker);
    void worker.exited.then(() => this.#workers.delete(worker));
    return worker;
  }

  /** All work again. */
  heal(): void {
    for (const worker of this.#workers) {
      worker.network.turn('open');
      if (worker.isFrozen) worker.thaw();
    }
  }

  /** Resolves when all have handed over their orders, or with those that have not in time. */
  async leaveAll(limitMs: number): Promise<readonly string[]> {
    const all = [...this.#workers];
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, limitMs);
    for (const worker of all) if (!worker.isLeaving) void worker.leave();
    await Promise.race([promise, Promise.all(all.map(({ exited }) => exited))]);
    clearTimeout(timer);
    return all.filter(({ isGone }) => !isGone).map(({ name }) => name);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#workers].map((worker) => worker.kill()));
  }
}
