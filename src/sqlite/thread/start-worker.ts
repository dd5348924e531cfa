import { Worker, type WorkerOptions } from 'node:worker_threads';

/**
 * Starts the thread. The build puts another function in the place of this one, which has the thread's code as
 * a text: a bundler takes that along, and would not find a file, nor this one's own place in CommonJS.
 */
export function startWorker(options: WorkerOptions): Worker {
  return new Worker(new URL('./worker.ts', import.meta.url), options);
}
