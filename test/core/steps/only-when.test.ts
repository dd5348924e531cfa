import { inOrder, OrderProcessor, onlyWhen, type Step } from 'order-processor';
import { describe, expect, it } from 'vitest';
import { errorOf } from '../../kit/helpers.ts';

type Action =
  | { readonly kind: 'top-up'; readonly card: string }
  | { readonly kind: 'purchase'; readonly item: string };

const isTopUp = (action: Action) => action.kind === 'top-up';
const topUp: Action = { kind: 'top-up', card: 'c-1' };
const purchase: Action = { kind: 'purchase', item: 'book' };

describe('a step of orders of one kind', () => {
  it('runs for them, and the others skip it', async () => {
    const charge = onlyWhen(isTopUp, {
      name: 'charge',
      run: ({ payload }) => ({ chargeId: `of ${payload.card}` }),
    });
    const ship = onlyWhen((action: Action) => action.kind === 'purchase', {
      name: 'ship',
      run: ({ payload }) => payload.item,
    });
    await using processor = new OrderProcessor({
      steps: inOrder<Action, [typeof charge, typeof ship]>(charge, ship),
    });
    const one = await processor.submit({ userId: 'u', amount: 1, payload: topUp });
    expect(one.results.charge?.chargeId).toBe('of c-1');
    expect(one.steps.map(({ status }) => status)).toEqual(['ok', 'skipped']);
    const other = await processor.submit({ userId: 'u', amount: 1, payload: purchase });
    expect([other.results.charge, other.results.ship]).toEqual([undefined, 'book']);
  });

  it('asks its own `when` after that, for its orders alone', async () => {
    const asked: string[] = [];
    const step = onlyWhen(isTopUp, {
      name: 'charge',
      when({ payload }) {
        asked.push(payload.card);
        return payload.card !== 'test';
      },
      run: () => 1,
    });
    await using processor = new OrderProcessor<Action>({ steps: [step] });
    const statuses: unknown[] = [];
    for (const payload of [topUp, purchase, { kind: 'top-up', card: 'test' } as const]) {
      const { steps } = await processor.submit({ userId: 'u', amount: 1, payload });
      statuses.push(steps[0]?.status);
    }
    expect([asked, statuses]).toEqual([
      ['c-1', 'test'],
      ['ok', 'skipped', 'skipped'],
    ]);
  });

  it('may be an instance of a class, with private fields', async () => {
    class Charge implements Step<Extract<Action, { kind: 'top-up' }>, string, 'charge'> {
      readonly name = 'charge';
      readonly #bank = 'bank';
      run() {
        return this.#bank;
      }
    }
    await using processor = new OrderProcessor<Action>({
      steps: [onlyWhen(isTopUp, new Charge())],
    });
    const { results } = await processor.submit({ userId: 'u', amount: 1, payload: topUp });
    expect(results).toEqual({ charge: 'bank' });
  });

  it('invariant 8: fails its order if the answer is no boolean', async () => {
    const isOwn = (() => 1) as unknown as typeof isTopUp;
    await using processor = new OrderProcessor<Action>({
      steps: [onlyWhen(isOwn as (of: Action) => of is Action, { name: 'charge', run: () => 1 })],
    });
    const error = await errorOf(processor.submit({ userId: 'u', amount: 1, payload: topUp }));
    expect(error.code).toBe('internal');
  });

  it('is checked when it is made', () => {
    const step = { name: 'charge', run: () => 1 };
    expect(() => onlyWhen(undefined as never, step)).toThrow('`isOwn` to be a function');
    expect(() => onlyWhen(isTopUp, undefined as never)).toThrow('`step` to be an object');
  });
});
