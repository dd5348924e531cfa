import type { TraceContext } from '../../../core/order/trace/trace-context.ts';
import type { OrderStorage } from '../../../core/storage/order-storage.ts';
import {
  accept,
  acceptNew,
  assertOrder,
  assertStored,
  knownBy,
  newOrder,
  pendingOrder,
  settle,
  settledOrder,
  settlementOf,
} from '../../orders.ts';
import type { Declare } from '../../suite.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

/** The longest that there are. */
const traceContexts: readonly TraceContext[] = [
  { traceparent },
  { traceparent, tracestate: 'vendor=a value, other=1' },
  { traceparent, tracestate: `long=${'~'.repeat(507)}` },
];

/** Declares what holds for the traces of orders. */
export function declareTraceRules(declare: Declare<OrderStorage>): void {
  const rule = 'order rule 19';

  declare(rule, 'an accepted order keeps its trace, over its settlement', async (storage) => {
    for (const [at, traceContext] of traceContexts.entries()) {
      const order = newOrder(`o-${at}`, { traceContext });
      await acceptNew(storage, [order]);
      await assertStored(storage, pendingOrder(order));
      const settlement = settlementOf(order);
      const [result] = await settle(storage, [settlement]);
      await assertStored(storage, settledOrder(settlement, result));
    }
  });

  declare(rule, 'so does one that is accepted by its settlement', async (storage) => {
    for (const outcome of ['completed', 'failed', 'canceled'] as const) {
      const order = newOrder(`o-${outcome}`, { traceContext: traceContexts[1] });
      const settlement = settlementOf(order, { outcome, isAccepted: false });
      const [result] = await settle(storage, [settlement]);
      await assertStored(storage, settledOrder(settlement, result));
    }
  });

  declare(rule, 'it is kept beside `retryOf`, over the retry of a retry', async (storage) => {
    const traceContext = traceContexts[1];
    const old = newOrder('o-1', { traceContext });
    const settlement = settlementOf(old, { outcome: 'failed', isAccepted: false });
    const [result] = await settle(storage, [settlement]);
    const next = newOrder('o-1~2', { retryOf: 'o-1', traceContext: traceContexts[0] });
    await acceptNew(storage, [next]);
    await assertStored(storage, pendingOrder(next));
    await assertStored(storage, { ...settledOrder(settlement, result), retriedAs: 'o-1~2' });
  });

  declare(rule, 'a known order keeps the one that it has', async (storage) => {
    const order = newOrder('o-1', { traceContext: traceContexts[1] });
    await acceptNew(storage, [order]);
    const again = newOrder('o-1', { traceContext: traceContexts[0] });
    assertOrder(knownBy((await accept(storage, [again]))[0]), pendingOrder(order));
  });
}
