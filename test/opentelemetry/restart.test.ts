/** The trace of an order goes on after a restart. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { expect, it } from 'vitest';
import { useFolder } from '../sqlite/helpers.ts';
import { linksOf, parentOf, TracedProcess, traceOf, useContextManager } from './traced-process.ts';

useContextManager();
const folder = useFolder();

/** Which traces a process has handed its orders in, before it was killed. */
async function killedHost(file: string): Promise<string[]> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'killed-host.ts'), file], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  try {
    const [line] = await once(child.stdout, 'data');
    return String(line).trim().split(' ');
  } finally {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
}

it.each([false, true])(
  'invariant 9: after `kill -9`, `process` continues the trace of its caller (parent: %s)',
  { timeout: 30_000 },
  async (parent) => {
    const traces = await killedHost(folder.path());
    const traced = new TracedProcess();
    const processor = new OrderProcessor({
      storage: await folder.open(),
      steps: [{ name: 'work', run: () => {} }],
    });
    const { stop } = instrument(processor, { tracerProvider: traced.provider, parent });
    await processor.ready;
    await processor.onIdle();
    await processor.shutdown();
    stop();
    const processed = traced.named('process orders');
    expect(processed.map(({ links }) => links[0]?.context.traceId)).toEqual(traces);
    expect(processed.map(({ links }) => links[0]?.context.isRemote)).toEqual([true, true]);
    for (const [at, span] of processed.entries()) {
      expect(parentOf(span)).toBe(parent ? linksOf(span)[0] : undefined);
      expect(traceOf(span) === traces[at]).toBe(parent);
    }
    // The first one had begun.
    expect(processed[0]?.attributes['order_processor.order.attempt']).toBe(2);
  },
);
