import { describe, expect, it } from 'vitest';
import { isOver, moves, moveTo, type OrderState } from '../../../src/core/lifecycle/order-state.ts';

const states = Object.keys(moves) as OrderState[];
const pairs = states.flatMap((from) => states.map((to): [OrderState, OrderState] => [from, to]));

/** The states that an order can come to from this one. */
function reachedFrom(start: OrderState): Set<OrderState> {
  const reached = new Set<OrderState>();
  const open = [start];
  for (let state = open.pop(); state !== undefined; state = open.pop()) {
    for (const next of moves[state]) {
      if (!reached.has(next)) open.push(next);
      reached.add(next);
    }
  }
  return reached;
}

describe('invariant 3: an order moves as the table says', () => {
  it.each(pairs)('from `%s` to `%s`, or the move throws and changes nothing', (from, to) => {
    const order = { state: from };
    if (moves[from].includes(to)) {
      moveTo(order, to);
      expect(order.state).toBe(to);
    } else {
      expect(() => moveTo(order, to)).toThrow(
        new Error(`An order cannot move from \`${from}\` to \`${to}\``),
      );
      expect(order.state).toBe(from);
    }
  });

  it.each(states)('no move from `%s` is listed twice or leads to itself', (state) => {
    expect(new Set(moves[state]).size).toBe(moves[state].length);
    expect(moves[state]).not.toContain(state);
  });
});

describe('invariant 3: an order that is over stays over', () => {
  it.each(states.filter((state) => isOver({ state })))('`%s`', (state) => {
    expect(moves[state].filter((next) => !isOver({ state: next }))).toEqual([]);
  });
});

describe('invariant 4: an order that is not over can end', () => {
  it.each(states.filter((state) => !isOver({ state })))('`%s`', (state) => {
    expect([...reachedFrom(state)].some((next) => isOver({ state: next }))).toBe(true);
  });
});

it('an order can come to every state', () => {
  const reached = reachedFrom('checking').add('checking');
  expect([...reached].sort()).toEqual(states.toSorted());
});
