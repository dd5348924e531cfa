import { type ChildProcess, fork } from 'node:child_process';
import type { Answer, Request, Said, WorkerOptions } from './messages.ts';
import type { Network } from './network.ts';

/** A stopped process would outlive its parent. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const each of running) each.kill('SIGKILL');
});

/** Why a worker gave no answer. */
export class WorkerError extends Error {
  /** The code of the error that it answered, or `'gone'` if its process has ended. */
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

/** A worker, as its parent sees it. */
export class WorkerProcess implements AsyncDisposable {
  readonly name: string;
  readonly network: Network;
  readonly ready: Promise<void>;
  readonly exited: Promise<void>;
  isGone = false;
  isFrozen = false;
  /** It is asked for nothing more. */
  isLeaving = false;
  readonly #process: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Answer>>();
  #asked = 0;
  #isEnding = false;

  constructor(
    program: string,
    options: WorkerOptions,
    network: Network,
    report: (problem: string) => void,
  ) {
    this.name = options.name;
    this.network = network;
    const stdio: ('ignore' | 'pipe' | 'ipc')[] = ['ignore', 'ignore', 'pipe', 'ipc'];
    const env = { ...process.env, CLOCK_MS: `${options.clockMs}` };
    this.#process = fork(program, [JSON.stringify(options)], { stdio, env });
    let complaint = '';
    this.#process.stderr?.on('data', (text) => {
      complaint = (complaint + text).slice(-2_000);
    });
    const ready = Promise.withResolvers<void>();
    const exited = Promise.withResolvers<void>();
    this.ready = ready.promise;
    this.exited = exited.promise;
    running.add(this.#process);
    this.#process.on('error', () => {});
    this.#process.on('message', (said: Said) => {
      if ('ready' in said) ready.resolve();
      else if ('problem' in said) report(said.problem);
      else this.#answered(said);
    });
    this.#process.once('exit', (code, signal) => {
      this.isGone = true;
      running.delete(this.#process);
      if (!this.#isEnding) report(`${this.name} ended by itself: ${signal ?? code} ${complaint}`);
      for (const { reject } of this.#waiting.values()) {
        reject(new WorkerError('gone', `${this.name} has ended`));
      }
      this.#waiting.clear();
      ready.resolve();
      exited.resolve();
    });
  }

  /** Rejects with a `WorkerError`. */
  ask(request: Request): Promise<Answer> {
    const waiting = Promise.withResolvers<Answer>();
    if (this.isGone) waiting.reject(new WorkerError('gone', `${this.name} has ended`));
    else {
      this.#asked += 1;
      const number = this.#asked;
      this.#waiting.set(number, waiting);
      // A process that was killed meanwhile says so by its exit.
      this.#process.send({ number, request }, () => {});
    }
    return waiting.promise;
  }

  /** `SIGSTOP`, until `thaw`. */
  freeze(): void {
    this.isFrozen = true;
    this.#process.kill('SIGSTOP');
  }

  thaw(): void {
    this.isFrozen = false;
    this.#process.kill('SIGCONT');
  }

  /** Ends without a word. */
  async kill(): Promise<void> {
    this.#isEnding = true;
    if (!this.isGone) this.#process.kill('SIGKILL');
    await this.exited;
    await this.network[Symbol.asyncDispose]();
  }

  /** Ends when its orders have been handed over. */
  async leave(): Promise<void> {
    this.isLeaving = true;
    this.#isEnding = true;
    await this.ask({ do: 'leave' }).catch(() => {});
    await this.exited;
    await this.network[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }

  #answered(said: Extract<Said, { number: number }>): void {
    const waiting = this.#waiting.get(said.number);
    this.#waiting.delete(said.number);
    if ('answer' in said) waiting?.resolve(said.answer);
    else waiting?.reject(new WorkerError(said.code, said.message));
  }
}
