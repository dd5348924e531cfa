import type { Worker } from 'node:worker_threads';
import { errorOf, type Failure, isFailure } from '../failures.ts';
import { type Answer, contentOf, enclosed, type Request, type Task } from './protocol.ts';
import { startWorker } from './start-worker.ts';

/** A question without its answer. */
type Waiting = PromiseWithResolvers<Answer>;

/** A worker thread that answers requests in their order. Its first answer needs no request. */
export class Thread {
  /** Resolves with the first answer. */
  readonly started: Promise<Answer>;
  readonly #worker: Worker;
  readonly #waiting: Waiting[] = [];
  readonly #ended: Promise<void>;
  #isOver = false;
  /** Why later requests fail. */
  #failure: Error | undefined;

  constructor(task: Task) {
    // Without the flags of the host's process: they may preload modules that are not for this thread.
    const execArgv = ['--disable-warning=ExperimentalWarning'];
    this.#worker = startWorker({ workerData: task, execArgv, name: 'order-processor' });
    this.started = this.#wait();
    // It need not be awaited.
    this.started.catch(() => {});
    this.#worker.on('message', (posted: unknown) => {
      const answer = contentOf<Answer>(posted);
      if (answer !== undefined) this.#take(answer);
    });
    this.#worker.on('error', (cause) => {
      this.#failure ??= new Error('The worker thread of the storage has failed', { cause });
    });
    this.#ended = new Promise((resolve) => {
      this.#worker.once('exit', (code) => {
        this.#end(code);
        resolve();
      });
    });
  }

  /** Whether it takes no more requests: it has ended, or has closed its file and is about to. */
  get isOver(): boolean {
    return this.#isOver;
  }

  ask(request: Request): Promise<Answer> {
    if (this.#waiting.length === 0) this.#worker.ref();
    const answer = this.#wait();
    this.#worker.postMessage(enclosed(request));
    return answer;
  }

  /** Resolves when the thread has ended. The process does not exit before that. */
  ended(): Promise<void> {
    this.#worker.ref();
    return this.#ended;
  }

  /** Ends the thread at once. */
  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #wait(): Promise<Answer> {
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }

  #take(answer: Answer): void {
    const waiting = this.#waiting.shift();
    // An idle storage does not keep the process running.
    if (this.#waiting.length === 0) this.#worker.unref();
    const last = answer.results.find((result) => isFailure(result) && result.isFinal);
    if (last !== undefined) {
      this.#failure = errorOf(last as Failure);
      this.#isOver = true;
    }
    if (answer.failure === undefined) {
      waiting?.resolve(answer);
    } else {
      this.#failure = errorOf(answer.failure);
      waiting?.reject(this.#failure);
    }
  }

  #end(code: number): void {
    this.#isOver = true;
    const failure =
      this.#failure ?? new Error(`The worker thread of the storage has ended with code ${code}`);
    for (const { reject } of this.#waiting.splice(0)) reject(failure);
  }
}

/** Does a task in a new thread, which ends with its answer. */
export async function askNewThread(task: Task): Promise<Answer> {
  const thread = new Thread(task);
  try {
    return await thread.started;
  } finally {
    await thread.ended();
  }
}
