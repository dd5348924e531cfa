/** Statements, the feed of outcomes, holds and final amounts, as a caller meets them. Checked by the compiler alone. */
import {
  type AppliedPosting,
  type FinalAmountOptions,
  type Hold,
  type HoldPage,
  type Movement,
  type MovementPage,
  OrderProcessor,
  type OrderRecord,
  type Receipt,
  type ReleasedLane,
  type SettledOutcome,
  type StepContext,
} from 'order-processor';
import { describe, expectTypeOf, it } from 'vitest';

interface Meal {
  readonly dish: string;
}

type Results = { readonly pay: string };

const processor = new OrderProcessor<Meal, Meal, Results>();

describe('statements', () => {
  it('are pages of movements', () => {
    const page = processor.movements('u', { from: 0, to: 5, limit: 10, cursor: 'c' });
    expectTypeOf(page).resolves.toEqualTypeOf<MovementPage>();
    expectTypeOf<MovementPage['movements']>().toEqualTypeOf<readonly Movement[]>();
    expectTypeOf<MovementPage['cursor']>().toEqualTypeOf<string | undefined>();
    expectTypeOf<Movement['sequence']>().toEqualTypeOf<number>();
    expectTypeOf(processor.balanceAt('u', 5)).resolves.toEqualTypeOf<number | undefined>();
    // @ts-expect-error a time is a number
    void processor.balanceAt('u', new Date());
    // @ts-expect-error misspelt
    void processor.movements('u', { till: 5 });
  });
});

describe('the feed', () => {
  it('gives records with their payload and results', () => {
    const outcomes = processor.outcomes({ after: 'c', signal: new AbortController().signal });
    expectTypeOf(outcomes).toEqualTypeOf<AsyncIterableIterator<SettledOutcome<Meal, Results>>>();
    expectTypeOf<SettledOutcome<Meal, Results>['order']>().toEqualTypeOf<
      OrderRecord<Meal, Results>
    >();
    expectTypeOf<SettledOutcome['cursor']>().toEqualTypeOf<string>();
    // @ts-expect-error a cursor is a text
    void processor.outcomes({ after: 5 });
  });
});

describe('holds', () => {
  it('are held, listed and released', () => {
    expectTypeOf(processor.hold('u')).resolves.toEqualTypeOf<Hold>();
    expectTypeOf(processor.hold('u', { reason: 'fraud' })).resolves.toEqualTypeOf<Hold>();
    expectTypeOf(processor.release('u', 'retry')).resolves.toEqualTypeOf<ReleasedLane>();
    expectTypeOf<ReleasedLane['action']>().toEqualTypeOf<'retry' | 'skip' | undefined>();
    expectTypeOf(processor.holds({ limit: 5 })).resolves.toEqualTypeOf<HoldPage>();
    expectTypeOf(processor.retry('o-1')).resolves.toEqualTypeOf<OrderRecord<Meal, Results>>();
    processor.on('held', (hold) => expectTypeOf(hold).toEqualTypeOf<Hold>());
    processor.on('released', (lane) => expectTypeOf(lane).toEqualTypeOf<ReleasedLane>());
    // @ts-expect-error no such action
    void processor.release('u', 'drop');
    // @ts-expect-error a hold is of a user
    void processor.hold();
    // @ts-expect-error misspelt
    void processor.hold('u', { because: 'fraud' });
  });
});

describe('final amounts and results', () => {
  it('stand in receipts and records', () => {
    expectTypeOf<Receipt<Meal, Results>['results']>().toEqualTypeOf<Readonly<Results>>();
    expectTypeOf<OrderRecord<Meal, Results>['results']['pay']>().toEqualTypeOf<
      string | undefined
    >();
    expectTypeOf<Receipt['postings']>().toEqualTypeOf<readonly AppliedPosting[]>();
    expectTypeOf<AppliedPosting['orderedAmount']>().toEqualTypeOf<number>();
    expectTypeOf<Parameters<StepContext['setAmount']>[1]>().toEqualTypeOf<
      FinalAmountOptions | undefined
    >();
  });
});
