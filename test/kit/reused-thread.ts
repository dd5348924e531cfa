/** Threads for the tests' storages: a new thread of Node takes longer to start than most tests run. */
import { EventEmitter, once } from 'node:events';
import {
  MessageChannel,
  type MessagePort,
  type TransferListItem,
  Worker,
  type WorkerOptions,
} from 'node:worker_threads';

/** Runs the text anew for each port that it receives, as if the port were the one of a thread of its own. */
const host = `
  const { Script } = require('node:vm');
  const threads = require('node:worker_threads');
  const script = new Script('(function (require) {' + threads.workerData + '\\n})');
  threads.parentPort.on('message', ({ parentPort, workerData }) => {
    const own = { ...threads, parentPort, workerData };
    parentPort.on('close', () => threads.parentPort.postMessage('free'));
    script.runInThisContext()((name) => (name === 'node:worker_threads' ? own : require(name)));
    // Nothing keeps such a thread running.
    if (parentPort.listenerCount('message') === 0) parentPort.close();
  });`;

/** The threads that have nothing to do. Vitest may load this file several times into a process. */
const shared = globalThis as typeof globalThis & { idleThreads?: Worker[] };
shared.idleThreads ??= [];
const idle = shared.idleThreads;

/** What the library uses of a `Worker`. Its thread is taken from an earlier one that has ended, if there is one. */
export class ReusedThread extends EventEmitter {
  readonly #port: MessagePort;
  readonly #thread: Worker;
  readonly #closed: Promise<unknown>;
  readonly #listeners = {
    message: () => this.#onFree(),
    error: (error: unknown) => this.emit('error', error),
    exit: (code: number) => this.emit('exit', code),
  };

  /** @param text - what the thread runs, in CommonJS; the same each time */
  constructor(text: string, { workerData, execArgv, name }: WorkerOptions) {
    super();
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    this.#thread =
      idle.pop() ?? new Worker(host, { eval: true, workerData: text, execArgv, name } as const);
    for (const [event, listener] of Object.entries(this.#listeners))
      this.#thread.on(event, listener);
    this.#thread.unref();
    this.#thread.postMessage({ parentPort: port2, workerData }, [port2]);
    this.#closed = once(port1, 'close');
    port1.on('message', (message) => this.emit('message', message));
  }

  postMessage(message: unknown, transfer: readonly TransferListItem[] = []): void {
    this.#port.postMessage(message, transfer);
  }

  ref(): void {
    this.#port.ref();
  }

  unref(): void {
    this.#port.unref();
  }

  terminate(): Promise<number> {
    return this.#thread.terminate();
  }

  /** The thread waits for its next task, unlike one that was ended or has failed. */
  async #onFree(): Promise<void> {
    for (const [event, listener] of Object.entries(this.#listeners))
      this.#thread.off(event, listener);
    idle.push(this.#thread);
    // What it has posted comes first.
    await this.#closed;
    this.emit('exit', 0);
  }
}
