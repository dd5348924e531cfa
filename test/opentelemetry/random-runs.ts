/** Random runs of a traced processor, and what their spans must be. */
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import fc from 'fast-check';
import { OrderError, OrderProcessor, type OrderStorage, refuse, type Step } from 'order-processor';
import { instrument } from 'order-processor/opentelemetry';
import { activeSpanId, idOf, linksOf, parentOf, TracedProcess, traceOf } from './traced-process.ts';

/** What becomes of an order at each of its steps. */
type Fate = 'ok' | 'again' | 'fails' | 'slow';

export interface Plan {
  readonly parent: boolean;
  readonly isSequence: boolean;
  readonly concurrency: number;
  readonly orders: readonly {
    readonly user: number;
    readonly fates: readonly Fate[];
    readonly isRefused: boolean;
    readonly isAgain: boolean;
    readonly way: 'submit' | 'enqueue' | 'submitMany';
    readonly cancels: boolean;
  }[];
}

export const plans: fc.Arbitrary<Plan> = fc.record({
  parent: fc.boolean(),
  isSequence: fc.boolean(),
  concurrency: fc.integer({ min: 1, max: 4 }),
  orders: fc.array(
    fc.record({
      user: fc.nat({ max: 2 }),
      fates: fc.array(fc.constantFrom<Fate>('ok', 'ok', 'again', 'fails', 'slow'), {
        minLength: 2,
        maxLength: 2,
      }),
      isRefused: fc.nat({ max: 9 }).map((number) => number === 0),
      isAgain: fc.nat({ max: 5 }).map((number) => number === 0),
      way: fc.constantFrom('submit', 'enqueue', 'submitMany'),
      cancels: fc.nat({ max: 7 }).map((number) => number === 0),
    }),
    { minLength: 1, maxLength: 8 },
  ),
});

/** What a step saw as the active span, and for which attempt. */
interface Seen {
  readonly id: string;
  readonly step: string;
  readonly attempt: number;
  readonly spans: readonly (string | undefined)[];
}

/** What one run has left. */
export interface Run {
  readonly process: TracedProcess;
  readonly plan: Plan;
  readonly seen: readonly Seen[];
}

const tick = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export async function play(plan: Plan, storage: OrderStorage | undefined): Promise<Run> {
  const process = new TracedProcess();
  const seen: Seen[] = [];
  const processor = new OrderProcessor<readonly Fate[]>({
    ...(storage && { storage }),
    concurrency: plan.concurrency,
    rules: [({ amount }) => amount === 13 && refuse('unlucky', 'Unlucky')],
    steps: ['first', 'second'].map((name, at) => stepOf(name, at, plan, seen)),
  });
  const { stop } = instrument(processor, { tracerProvider: process.provider, parent: plan.parent });
  await Promise.all(
    plan.orders.map(({ user, fates, isRefused, isAgain, way, cancels }, at) =>
      process.within(`caller ${at}`, async () => {
        const order = {
          id: `o-${isAgain && at > 0 ? at - 1 : at}`,
          userId: `u-${user}`,
          amount: isRefused ? 13 : 1,
          payload: fates,
        };
        const done = processor[way](way === 'submitMany' ? ([order] as never) : (order as never));
        if (cancels) processor.cancel(order.id);
        await Promise.allSettled([done]);
      }),
    ),
  );
  await processor.onIdle();
  await processor.shutdown();
  stop();
  return { process, plan, seen };
}

function stepOf(name: string, at: number, plan: Plan, seen: Seen[]): Step<readonly Fate[]> {
  const look = async (id: string, step: string, attempt: number, fate: Fate): Promise<void> => {
    const first = activeSpanId();
    await tick();
    if (fate === 'slow') await tick();
    seen.push({ id, step, attempt, spans: [first, activeSpanId()] });
  };
  return {
    name,
    ...(plan.isSequence && at > 0 && { after: 'first' }),
    retry: { attempts: 2, delayMs: 1, jitter: false },
    async run({ id, payload }, { attempt }) {
      const fate = payload[at] as Fate;
      await look(id, name, attempt, fate);
      if (fate === 'fails' || (fate === 'again' && attempt === 1)) {
        throw new OrderError('busy', 'Busy', { retryable: fate === 'again' });
      }
    },
    compensate: ({ id, payload }, { attempt }) =>
      look(id, `compensate ${name}`, attempt, payload[at] as Fate),
  };
}

const idAttribute = 'messaging.message.id';
const orderOf = (span: ReadableSpan): unknown => span.attributes[idAttribute];

/** What is wrong with the spans of a run; empty if nothing is. */
export function faultsOf({ process, plan, seen }: Run): string[] {
  const faults: string[] = [];
  const { counted, spans } = process;
  const check = (isRight: boolean, fault: string): void => {
    if (!isRight) faults.push(fault);
  };
  const startedIds = counted.started.map((span) => span.spanContext().spanId);
  check(
    startedIds.toSorted().join() === counted.ended.map(idOf).sort().join(),
    `started ${counted.started.map(({ name }) => name)}, ended ${counted.ended.map(({ name }) => name)}`,
  );
  const byId = new Map(spans.map((span) => [idOf(span), span]));
  const processed = process.named('process orders');
  const sent = process.named('send orders');
  check(sent.length === plan.orders.length, `${sent.length} calls of ${plan.orders.length}`);
  for (const send of sent) {
    const caller = byId.get(parentOf(send) ?? '');
    check(caller?.name.startsWith('caller ') === true, `send below ${caller?.name}`);
    check(caller !== undefined && traceOf(caller) === traceOf(send), 'send in another trace');
  }
  for (const span of processed) {
    const [send, ...others] = linksOf(span).map((id) => byId.get(id));
    const isLinked = send !== undefined && others.length === 0 && orderOf(send) === orderOf(span);
    check(isLinked, `process of ${orderOf(span)} linked to ${send && orderOf(send)}`);
    check(send?.attributes['order_processor.submit.status'] === 'accepted', 'linked to no sender');
    const parent = parentOf(span);
    check(parent === (plan.parent && send ? idOf(send) : undefined), 'process below another');
  }
  const ofOrders = processed.map(orderOf);
  check(new Set(ofOrders).size === ofOrders.length, `processed twice: ${ofOrders}`);
  for (const span of spans.filter(({ attributes }) => 'order_processor.step.name' in attributes)) {
    const parent = byId.get(parentOf(span) ?? '');
    check(parent?.name === 'process orders', `${span.name} below ${parent?.name}`);
    check(parent !== undefined && orderOf(parent) === orderOf(span), 'step of another order');
    check(parent !== undefined && traceOf(parent) === traceOf(span), 'step in another trace');
  }
  for (const { id, step, attempt, spans: saw } of seen) {
    for (const each of saw) {
      const span = byId.get(each ?? '');
      const found = span && [
        span.name,
        orderOf(span),
        span.attributes['order_processor.step.attempt'],
      ];
      check(found?.join() === [step, id, attempt].join(), `${step} of ${id} ran in ${found}`);
    }
  }
  for (const call of process.named('settle orders')) {
    const orders = linksOf(call).map((each) => byId.get(each)?.name);
    check(
      orders.every((name) => name === 'process orders'),
      `settle linked to ${orders}`,
    );
    check(
      call.links.length === (call.attributes['messaging.batch.message_count'] ?? 1),
      `${call.links.length} links of ${call.attributes['messaging.batch.message_count']}`,
    );
  }
  return faults;
}
