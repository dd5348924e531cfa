/** A process as callers and an operator see it. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import type { Answer, FromProcess, Report, ToProcess, Transfer } from './messages.ts';

/** For how long a process may be silent until the others take its users; the default of the storage is 5 000. */
const staleMs = 2_000;

/** Over so long a time orders per second are counted, in milliseconds. */
const windowMs = 1_200;

/** One that is interrupted has lost its place at the database, and joins again. */
export type ProcessState = 'starting' | 'ready' | 'interrupted' | 'frozen' | 'killed' | 'left';

export interface ProcessListener {
  answered(answers: readonly Answer[]): void;
  noted(text: string): void;
}

export class StartedProcess {
  readonly name: string;
  /** Resolves when it takes orders. */
  readonly ready: Promise<void>;
  readonly exited: Promise<unknown>;
  #state: ProcessState = 'starting';
  #reports: { readonly at: number; readonly report: Report }[] = [];
  readonly #child: ChildProcess;

  constructor(name: string, url: string, listener: ProcessListener) {
    this.name = name;
    const program = join(import.meta.dirname, 'processor.ts');
    this.#child = fork(program, [name, url, String(staleMs)]);
    this.exited = once(this.#child, 'exit');
    this.#child.once('exit', () => {
      if (this.#state !== 'left') this.#state = 'killed';
    });
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.ready = promise;
    this.exited.then(() => reject(new Error(`The process ${name} did not start`)), reject);
    promise.catch(() => {});
    this.#child.on('message', (message: FromProcess) => {
      if (message.kind === 'answers') listener.answered(message.answers);
      else if (message.kind === 'report') this.#report(message);
      else {
        this.#state = message.kind === 'interrupted' ? message.kind : 'ready';
        if (message.kind !== 'ready') listener.noted(`${name} is ${message.kind}`);
        resolve();
      }
    });
  }

  get state(): ProcessState {
    return this.#state;
  }

  /** Whether callers use it. They do not know that it is frozen. */
  get isUsed(): boolean {
    return this.#state === 'ready' || this.#state === 'frozen';
  }

  /** What it has said not long ago. */
  get report(): Report | undefined {
    const newest = this.#reports.at(-1);
    return newest && performance.now() - newest.at < windowMs ? newest.report : undefined;
  }

  /** How many orders it settles, as the owner of their users. */
  get perSecond(): number {
    const [first, last] = [this.#reports[0], this.#reports.at(-1)];
    if (this.report === undefined || !first || !last || first === last) return 0;
    return ((last.report.settled - first.report.settled) / (last.at - first.at)) * 1_000;
  }

  submit(orders: readonly Transfer[]): void {
    this.#send({ kind: 'submit', orders });
  }

  kill(): void {
    this.#state = 'killed';
    this.#reports = [];
    this.#child.kill('SIGKILL');
  }

  freeze(): void {
    this.#state = 'frozen';
    this.#child.kill('SIGSTOP');
  }

  wake(): void {
    this.#state = 'ready';
    this.#child.kill('SIGCONT');
  }

  /** It hands its users over, and ends. */
  async end(): Promise<void> {
    this.#state = 'left';
    this.#send({ kind: 'end' });
    await this.exited;
  }

  #send(message: ToProcess): void {
    // It may have ended just now.
    this.#child.send(message, () => {});
  }

  #report(report: Report): void {
    const at = performance.now();
    this.#reports = this.#reports.filter((each) => at - each.at < windowMs);
    this.#reports.push({ at, report });
  }
}
