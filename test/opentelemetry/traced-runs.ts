/** Runs of an instrumented processor on a file, and the spans that they leave. */
import { OrderProcessor, type Step } from 'order-processor';
import { type InstrumentOptions, instrument } from 'order-processor/opentelemetry';
import { useFolder } from '../sqlite/helpers.ts';
import { TracedProcess, useContextManager } from './traced-process.ts';

/** Plays something at a processor with these steps, and shuts it down. */
type TracedRun = (
  run: (processor: OrderProcessor, process: TracedProcess) => Promise<unknown>,
  options?: InstrumentOptions,
  steps?: Step[],
) => Promise<TracedProcess>;

/** For each test of a file. */
export function useTracedRuns(): TracedRun {
  useContextManager();
  const folder = useFolder();
  return async (run, options = {}, steps = []) => {
    const process = new TracedProcess();
    const processor = new OrderProcessor({ storage: await folder.open(), steps });
    using _ = instrument(processor, { tracerProvider: process.provider, ...options });
    await run(processor, process);
    await processor.shutdown();
    return process;
  };
}

export const order = (id: string, userId = 'ann', amount = 1) => ({ id, userId, amount });
