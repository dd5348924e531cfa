/** Tracing changes no order: broken tracers, no SDK, and an instrumentation that comes and goes meanwhile. */
import { OrderProcessor } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { describe, expect, it } from 'vitest';
import { deferred, range } from '../kit/helpers.ts';
import { useFolder } from '../sqlite/helpers.ts';
import { TracedProcess, useContextManager } from './traced-process.ts';
import { order } from './traced-runs.ts';

useContextManager();
const folder = useFolder();

describe('invariant 11: changes nothing', () => {
  const throws = (): never => {
    throw new Error('The tracer is broken');
  };
  const broken: Record<string, object> = {
    'a tracer that throws': { startSpan: throws, startActiveSpan: throws },
    'a tracer whose spans throw': {
      startSpan: () => new Proxy({}, { get: (_, name) => (name === 'then' ? undefined : throws) }),
    },
    'a tracer whose spans are nothing': { startSpan: () => undefined },
  };

  it.each(Object.entries(broken))('%s', async (_, tracer) => {
    const seen: string[] = [];
    const processor = new OrderProcessor({
      storage: await folder.open(),
      steps: [{ name: 'charge', run: ({ id }) => seen.push(id) }],
    });
    using __ = instrument(processor, { tracerProvider: { getTracer: () => tracer as never } });
    const receipts = await Promise.all(range(3).map((at) => processor.submit(order(`o-${at}`))));
    await processor.shutdown();
    expect(receipts.map(({ balance }) => balance)).toEqual([1, 2, 3]);
    expect(seen).toEqual(['o-0', 'o-1', 'o-2']);
  });

  it('no SDK', async () => {
    const processor = new OrderProcessor();
    using _ = instrument(processor);
    expect((await processor.submit(order('o-1'))).balance).toBe(1);
    await processor.shutdown();
  });

  it('what has begun before `instrument`, and what ends after `stop`', async () => {
    const process = new TracedProcess();
    const gates = new Map(['o-1', 'o-2'].map((id) => [id, deferred()]));
    const begun = deferred();
    const processor = new OrderProcessor({
      steps: [
        {
          name: 'wait',
          run: ({ id }) => {
            begun.resolve();
            return gates.get(id)?.promise;
          },
        },
      ],
    });
    const before = processor.submit(order('o-1'));
    await begun.promise;
    const { stop } = instrument(processor, { tracerProvider: process.provider });
    const during = processor.submit(order('o-2', 'bob'));
    gates.get('o-1')?.resolve();
    await before;
    stop();
    gates.get('o-2')?.resolve();
    await Promise.all([during, processor.submit(order('o-3'))]);
    await processor.shutdown();
    // Of the second order alone, and its span and that of its step are not ended.
    const names = ['send orders', 'process orders', 'wait'];
    expect(process.counted.started.map(({ name }) => name)).toEqual(names);
    expect(process.spans.map(({ name }) => name)).toEqual(['send orders']);
  });
});
