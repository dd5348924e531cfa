import { isOrderError } from '../../core/order/order-error.ts';
import type { OrderProcessor } from '../../core/order-processor.ts';
import type { BalancesView } from '../api.ts';
import { amount, defined, optionalAmount } from './amounts.ts';

/** Up to so many changes have a point each. */
const mostExact = 499;
const samples = 120;

type Point = BalancesView['points'][number];

/**
 * A user's balance over a time, for a chart.
 *
 * @throws OrderError `storage_failed`
 */
export async function balancesView(
  processor: OrderProcessor,
  userId: string,
  from: number,
  to: number,
): Promise<BalancesView> {
  const { movements, cursor } = await processor.movements(userId, {
    ...{ from, to, limit: mostExact },
  });
  const first = movements[0];
  if (cursor !== undefined) {
    return { from, to, isExact: false, points: await sampled(processor, userId, from, to) };
  }
  // The balance before: the first movement says it, even if what was before is forgotten.
  const before =
    first === undefined
      ? await at(processor, userId, from)
      : point(from, first.balance - first.amount);
  const points = movements.map(({ settledAt, balance }) => point(settledAt, balance));
  return { from, to, isExact: true, points: [before, ...points] };
}

async function sampled(
  processor: OrderProcessor,
  userId: string,
  from: number,
  to: number,
): Promise<Point[]> {
  const points: Point[] = [];
  const stepMs = (to - from) / samples;
  for (let index = 0; index <= samples; index += 1) {
    const time = Math.min(to, Math.round(from + index * stepMs));
    points.push(await at(processor, userId, time));
  }
  return points;
}

async function at(processor: OrderProcessor, userId: string, time: number): Promise<Point> {
  try {
    const balance = await processor.balanceAt(userId, time);
    return defined({ at: time, balance: optionalAmount(balance) }) as Point;
  } catch (error) {
    if (isOrderError(error) && error.code === 'history_forgotten') return { at: time };
    throw error;
  }
}

function point(time: number, balance: number): Point {
  return { at: time, balance: amount(balance) };
}
