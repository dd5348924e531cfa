import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';

/** One file of a worker and the sources that it runs: processes start in a quarter of the time. */
export interface WorkerProgram extends AsyncDisposable {
  readonly path: string;
}

export async function workerProgram(): Promise<WorkerProgram> {
  const path = join(
    import.meta.dirname,
    '../../../node_modules/.cache/order-processor-chaos',
    `worker-${process.pid}.mjs`,
  );
  await build({
    entryPoints: [join(import.meta.dirname, 'worker/worker.ts')],
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node24',
    packages: 'external',
    keepNames: true,
    logLevel: 'silent',
    outfile: path,
  });
  return { path, [Symbol.asyncDispose]: () => rm(path, { force: true }) };
}
