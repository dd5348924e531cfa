import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts the thread. The build replaces this function by one that has the thread's code as a text: a bundler
 * includes that, and would find neither a file of its own nor, in CommonJS, the path of this one.
 */
export function startWorker(options: WorkerOptions): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), options);
}
