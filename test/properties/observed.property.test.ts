/** Invariant 11: what observes changes neither the way of an order nor what is written. */
import fc from 'fast-check';
import {
  type EventName,
  MemoryStorage,
  OrderProcessor,
  type OrderProcessorOptions,
  type OrderRecord,
  type Step,
} from 'order-processor';
import { expect, it } from 'vitest';
import { isFull } from '../kit/full.ts';
import { codeOf } from '../kit/helpers.ts';
import { KeptStorage } from '../kit/kept-storage.ts';
import { runsOf } from '../kit/seed.ts';
import { TraceWitness } from '../kit/trace-witness.ts';
import { useVirtualClock } from '../kit/virtual-clock.ts';

const clock = useVirtualClock();

const commands = fc.array(
  fc.record({
    do: fc.constantFrom('submit', 'submit', 'enqueue', 'list', 'cancel', 'pause', 'resume', 'wait'),
    user: fc.integer({ min: 0, max: 2 }),
    amount: fc.integer({ min: -3, max: 5 }),
    rank: fc.constantFrom('high', 'medium', 'low'),
    count: fc.integer({ min: 1, max: 6 }),
  }),
  { maxLength: 25 },
);
const plans = fc.record({
  commands,
  stepMs: fc.constantFrom(undefined, 0, 2),
  storage: fc.constantFrom('memory', 'kept'),
  latencyMs: fc.constantFrom(0, 3),
  minBalance: fc.constantFrom(undefined, 0),
  concurrency: fc.constantFrom(1, 3),
  failsOnce: fc.boolean(),
});

type Plan = typeof plans extends fc.Arbitrary<infer T> ? T : never;

const all: readonly EventName[] = [
  ...(['accepted', 'refused', 'started', 'stepped', 'retried', 'completed', 'failed'] as const),
  ...(['canceled', 'stalled', 'interrupted', 'restored', 'stored', 'idle', 'error'] as const),
];

/** What became of one run: the writes, in their order, each record, and what each caller got. */
interface Trace {
  readonly writes: readonly string[];
  readonly records: readonly Partial<OrderRecord>[];
  readonly codes: readonly string[];
  readonly begun: readonly string[];
}

async function run(plan: Plan, heard: readonly EventName[]): Promise<Trace> {
  const kept = new KeptStorage();
  let settles = 0;
  kept.fate = async (method) => {
    await clock.sleep(plan.latencyMs);
    if (method !== 'settle' || !plan.failsOnce) return 'works';
    settles += 1;
    return settles === 2 ? 'rejects' : 'works';
  };
  const begun: string[] = [];
  const step: Step = {
    name: 'work',
    run: async ({ id }) => {
      begun.push(`${clock.now} ${id}`);
      await clock.sleep(plan.stepMs ?? 0);
    },
  };
  const options: OrderProcessorOptions = {
    storage: plan.storage === 'kept' ? kept : new MemoryStorage(),
    steps: plan.stepMs === undefined ? [] : [step],
    minBalance: plan.minBalance,
    concurrency: plan.concurrency,
  };
  const processor = new OrderProcessor(options);
  for (const name of heard) processor.on(name, () => {});
  await clock.advance(20);
  const codes: Promise<string>[] = [];
  let last = 0;
  for (const { do: command, user, amount, rank: priority, count } of plan.commands) {
    const order = () => {
      last += 1;
      return { id: `o-${last}`, userId: `u-${user}`, amount, priority };
    };
    if (command === 'submit') codes.push(codeOf(processor.submit(order())));
    else if (command === 'enqueue') codes.push(codeOf(processor.enqueue(order())));
    else if (command === 'list') {
      const orders = Array.from({ length: count }, order);
      codes.push(processor.submitMany(orders).then((each) => each.map(String).join()));
    } else if (command === 'cancel') {
      codes.push(processor.cancel(`o-${last}`).then(String));
    } else if (command === 'pause') processor.pause(`u-${user}`);
    else if (command === 'resume') processor.resume(`u-${user}`);
    else await clock.advance(count);
  }
  await clock.advance(20_000);
  const page = processor.orders({ limit: 1_000 });
  await clock.advance(20_000);
  const { orders } = await page;
  const closed = processor.shutdown();
  await clock.runAll();
  await closed;
  const records = orders.map(({ id, status, balance, code, startedAt, settledAt }) => ({
    ...{ id, status, balance, code, startedAt, settledAt },
  }));
  return { writes: kept.log, records, codes: await Promise.all(codes), begun };
}

it('invariant 11: a run with all, some and no listeners, and with subscribers, gives the same writes, records and answers', {
  timeout: 3_600_000,
}, async () => {
  const some = fc.subarray([...all]);
  await fc.assert(
    fc.asyncProperty(plans, some, async (plan, heard) => {
      const traces: Trace[] = [];
      for (const names of [[], heard, all]) {
        clock.uninstall();
        clock.install();
        traces.push(await run(plan, names));
      }
      clock.uninstall();
      clock.install();
      using witness = new TraceWitness();
      expect(await run(plan, all)).toEqual(traces[0]);
      expect(witness.verdict()).toEqual([]);
      expect(traces[1]).toEqual(traces[0]);
      expect(traces[2]).toEqual(traces[0]);
    }),
    { numRuns: runsOf(isFull ? 2_000 : 100) },
  );
});
