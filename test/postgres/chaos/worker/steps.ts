import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type AcceptedOrder, isOrderError, OrderError, type Step } from '../../../../src/index.ts';
import type { ChaosPayload, WorkerOptions } from '../messages.ts';
import { diceOf } from './dice.ts';
import type { RunLog, RunRow } from './run-log.ts';

/** What `pay` returns. */
interface Payment {
  readonly run: string;
}

/** How long a step takes, in milliseconds: some take longer than a processor may be silent. */
function durationMs(dice: () => number, staleMs: number): number {
  const kind = dice();
  if (kind < 0.8) return dice() * 2;
  if (kind < 0.97) return dice() * 10;
  if (kind < 0.996) return dice() * 200;
  return dice() * staleMs * 1.5;
}

/**
 * A payment whose result is kept, and what comes after it. Each writes into the log before and after its work, so no
 * order of the user may begin in between.
 */
export function chaosSteps(options: WorkerOptions, log: RunLog): Step<ChaosPayload>[] {
  const { seed, staleMs } = options;

  async function work(
    { id, payload }: AcceptedOrder<ChaosPayload>,
    step: string,
    signal: AbortSignal,
  ): Promise<void> {
    if (payload.isQuick) return;
    await sleep(durationMs(diceOf(seed, `${id} ${step}`), staleMs), undefined, { signal });
  }

  /** Says in the log how it has ended: only one that was declined is known to have had no effect. */
  async function logged<Result>(
    step: RunRow['step'],
    { id, userId }: AcceptedOrder<ChaosPayload>,
    { idempotencyKey: key, paidBy = '' }: { idempotencyKey: string; paidBy?: string },
    run: (run: string) => Promise<Result>,
  ): Promise<Result> {
    const number = randomUUID();
    const row = { run: number, step, userId, orderId: id, key, paidBy };
    await log.write({ ...row, event: 'began' });
    let isDeclined = false;
    try {
      return await run(number);
    } catch (error) {
      isDeclined = isOrderError(error);
      throw error;
    } finally {
      await log.write({ ...row, event: isDeclined ? 'declined' : 'ended' });
    }
  }

  const pay: Step<ChaosPayload> = {
    name: 'pay',
    remember: true,
    run: (order, context) =>
      logged('pay', order, context, async (run) => {
        const { signal } = context;
        await work(order, 'pay', signal);
        if (order.payload.fails === 'pay') {
          throw new OrderError('payment_declined', 'Declined', { retryable: false });
        }
        return { run } satisfies Payment;
      }),
    compensate: (order, context) =>
      logged('refund', order, context, () => sleep(diceOf(seed, `${order.id} refund`)() * 5)),
  };

  const ship: Step<ChaosPayload> = {
    name: 'ship',
    after: 'pay',
    when: ({ payload: { isQuick } }) => isQuick !== true,
    run(order, context) {
      const { run: paidBy } = context.results.pay as Payment;
      return logged('ship', order, { ...keyOf(context), paidBy }, async () => {
        const { signal } = context;
        await work(order, 'ship', signal);
        const isAgain = order.id.endsWith('~2');
        if (order.payload.fails === 'ship' && !isAgain)
          throw new OrderError('out_of_stock', 'None left');
        setFinalAmount(order, context);
      });
    },
  };

  const deliver: Step<ChaosPayload> = {
    name: 'deliver',
    after: 'ship',
    when: ({ payload: { fails } }) => fails === 'deliver',
    onFailure: 'hold',
    run: (order, context) =>
      logged('deliver', order, context, async () => {
        const { works = Infinity } = order.payload;
        if (context.attempt < works) throw new OrderError('not_at_home', 'Try again');
      }),
  };

  return [pay, ship, deliver];
}

function keyOf({ idempotencyKey }: { idempotencyKey: string }): { idempotencyKey: string } {
  return { idempotencyKey };
}

/** Settles a part of what was ordered, without making money. */
function setFinalAmount(
  { amount, postings, payload: { percent } }: AcceptedOrder<ChaosPayload>,
  context: Parameters<Step<ChaosPayload>['run']>[1],
): void {
  if (percent === undefined) return;
  const partOf = (whole: number): number => Math.trunc((whole * percent) / 100);
  if (postings.length === 0) {
    context.setAmount(partOf(amount));
    return;
  }
  const final = postings.map((each) => ({ ...each, amount: partOf(each.amount) }));
  const sum = final.reduce((total, each) => total + each.amount, 0);
  context.setAmount(-sum, { postings: final });
}
