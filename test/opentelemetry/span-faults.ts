/** What the spans of a random run must be. */
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { Run } from './random-runs.ts';
import { idOf, linksOf, parentOf, traceOf } from './traced-process.ts';

const orderOf = (span: ReadableSpan): unknown => span.attributes['messaging.message.id'];
const submitStatusOf = (span: ReadableSpan | undefined): unknown =>
  span?.attributes['order_processor.submit.status'];
const statusOf = (span: ReadableSpan): unknown => span.attributes['order_processor.order.status'];

/** Processing that ended so may begin once more. */
const unfinished = ['held', 'kept', 'unknown'];

/** What is wrong with the spans of a run; empty if nothing is. */
export function faultsOf(run: Run): string[] {
  return [
    ...faultsOfNumbers(run),
    ...faultsOfSends(run),
    ...faultsOfProcessing(run),
    ...faultsOfSteps(run),
    ...faultsOfSettlements(run),
    ...faultsOfContexts(run),
  ];
}

/** The texts of those that are wrong. */
function wrongOf(...checks: readonly (readonly [isRight: boolean, fault: string])[]): string[] {
  return checks.filter(([isRight]) => !isRight).map(([, fault]) => fault);
}

function spansById({ process }: Run): ReadonlyMap<string | undefined, ReadableSpan> {
  return new Map(process.spans.map((span) => [idOf(span), span]));
}

/** Each span that starts ends once. */
function faultsOfNumbers({ process: { counted } }: Run): string[] {
  const idsOf = (spans: readonly { spanContext(): { spanId: string } }[]): string =>
    spans
      .map((span) => span.spanContext().spanId)
      .sort()
      .join();
  const names = (spans: readonly { readonly name: string }[]) => spans.map(({ name }) => name);
  const started = idsOf(counted.started);
  return wrongOf([
    started === idsOf(counted.ended) && started === idsOf(counted.endCalls),
    `started ${names(counted.started)}, ended ${names(counted.endCalls)}`,
  ]);
}

function faultsOfSends(run: Run): string[] {
  const { process, plan, retries } = run;
  const byId = spansById(run);
  const sent = process.named('send orders');
  const wanted = plan.orders.length + retries;
  return [
    ...wrongOf([sent.length === wanted, `${sent.length} calls of ${wanted}`]),
    ...sent.flatMap((send) => {
      const caller = byId.get(parentOf(send));
      const linked = linksOf(send).map((id) => byId.get(id));
      const isRetry = send.attributes['order_processor.submit.method'] === 'retry';
      const first = String(orderOf(send)).replace(/~2$/, '');
      const isLinked = isRetry
        ? linked.length === 1 && linked[0]?.name === 'send orders' && orderOf(linked[0]) === first
        : linked.length === 0;
      return wrongOf(
        [caller?.name.startsWith('caller ') === true, `send below ${caller?.name}`],
        [caller !== undefined && traceOf(caller) === traceOf(send), 'send in another trace'],
        [
          isLinked,
          `send of ${orderOf(send)} linked to ${linked.map((each) => each && orderOf(each))}`,
        ],
      );
    }),
  ];
}

function faultsOfProcessing(run: Run): string[] {
  const { process, plan } = run;
  const byId = spansById(run);
  const processed = process.named('process orders');
  const finished = processed.filter((span) => !unfinished.includes(String(statusOf(span))));
  const accepted = plan.restart?.isKilled ? ['accepted', 'unknown'] : ['accepted'];
  const ids = finished.map(orderOf);
  return [
    ...wrongOf([new Set(ids).size === ids.length, `processed twice: ${ids}`]),
    ...processed.flatMap((span) => {
      const [send, ...others] = linksOf(span).map((id) => byId.get(id));
      const isLinked = send !== undefined && others.length === 0 && orderOf(send) === orderOf(span);
      const parent = plan.parent && send ? idOf(send) : undefined;
      return wrongOf(
        [isLinked, `process of ${orderOf(span)} linked to ${send && orderOf(send)}`],
        [accepted.includes(String(submitStatusOf(send))), `linked to ${submitStatusOf(send)}`],
        [parentOf(span) === parent, 'process below another'],
      );
    }),
  ];
}

function faultsOfSteps(run: Run): string[] {
  const byId = spansById(run);
  const attempts = run.process.spans.filter(
    ({ attributes }) => 'order_processor.step.name' in attributes,
  );
  return attempts.flatMap((span) => {
    const parent = byId.get(parentOf(span));
    return wrongOf(
      [parent?.name === 'process orders', `${span.name} below ${parent?.name}`],
      [parent !== undefined && orderOf(parent) === orderOf(span), 'step of another order'],
      [parent !== undefined && traceOf(parent) === traceOf(span), 'step in another trace'],
    );
  });
}

function faultsOfSettlements(run: Run): string[] {
  const byId = spansById(run);
  return run.process.named('settle orders').flatMap((call) => {
    const orders = linksOf(call).map((each) => byId.get(each)?.name);
    const size = call.attributes['messaging.batch.message_count'] ?? 1;
    return wrongOf(
      [orders.every((name) => name === 'process orders'), `settle linked to ${orders}`],
      [orders.length <= Number(size), `${orders.length} links of ${size}`],
    );
  });
}

/** What was active where functions of the host ran. */
function faultsOfContexts(run: Run): string[] {
  const byId = spansById(run);
  const baggage = run.seen.flatMap(({ id, step, baggage }) => {
    const isOwn = baggage === id || (run.plan.restart !== undefined && baggage === undefined);
    return wrongOf([isOwn, `${step} of ${id} has the baggage of ${baggage}`]);
  });
  const steps = run.seen.flatMap(({ id, step, attempt, spans }) =>
    spans.flatMap((each) => {
      const span = byId.get(each);
      const found = span && [
        span.name,
        orderOf(span),
        span.attributes['order_processor.step.attempt'],
      ];
      const isOwn = found?.join() === [step, id, attempt].join();
      return wrongOf([isOwn, `${step} of ${id} ran in ${found}`]);
    }),
  );
  const callers = run.callers.flatMap(([own, ...later]) =>
    wrongOf(
      [byId.get(own)?.name.startsWith('caller ') === true, 'a caller without a span'],
      [later.every((each) => each === own), `a caller goes on in ${byId.get(later[0])?.name}`],
    ),
  );
  const settling = run.settling.flatMap((each) => {
    const name = byId.get(each)?.name;
    return wrongOf([name === undefined || name === 'settle orders', `settles in ${name}`]);
  });
  return [...baggage, ...steps, ...callers, ...settling];
}
