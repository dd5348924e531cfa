import { describe, expect, it } from 'vitest';
import type { Decision } from '../../../src/core/order/decision.ts';
import type { AcceptedOrder } from '../../../src/core/order/order.ts';
import { OrderError } from '../../../src/core/order/order-error.ts';
import { Clock } from '../../../src/core/runtime/clock.ts';
import {
  type ExecutionState,
  executionMoves,
  moveExecution,
} from '../../../src/core/steps/execution/execution-state.ts';
import type { RunObserver, RunOrder, Worker } from '../../../src/core/steps/run/run-observer.ts';
import { moveRun, type RunPhase, runMoves } from '../../../src/core/steps/run/run-phase.ts';
import { RunSettings } from '../../../src/core/steps/run/run-settings.ts';
import { StepRun } from '../../../src/core/steps/run/step-run.ts';
import type { Step } from '../../../src/core/steps/step.ts';
import { readSteps } from '../../../src/core/steps/step-plan.ts';

/** An order of no processor. */
class OrderAlone implements RunOrder {
  readonly id = 'o-1';
  readonly userId = 'u-1';
  readonly acceptedAt = 0;
  readonly earlierAttempts = 0;
  readonly facts = { orderId: 'o-1', userId: 'u-1', labels: [] };

  toOrder(): AcceptedOrder {
    const { id, userId } = this;
    const none = { labels: [], postings: [] };
    return Object.freeze({ id, userId, amount: 5, priority: 'medium', payload: 'p', ...none });
  }
}

/** Runs the steps of one order with nothing but this room, and logs what its observer is notified of. */
function runAlone(steps: readonly Step[], { timeoutMs, stalledAfterMs = 1_000 }: Times = {}) {
  const log: string[] = [];
  const defaults = { timeoutMs, stalledAfterMs, retry: undefined, onFailure: 'continue' as const };
  const { promise: decided, resolve: decide } = Promise.withResolvers<Decision>();
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  const observer: RunObserver<OrderAlone> = {
    inScope: (_order, work) => work(),
    abort: (controller, reason) => controller.abort(reason),
    mayHold: () => false,
    decidedAgainst: ({ id }) => void log.push(`${id} is decided against`),
    certain: ({ id }, { status }) => void log.push(`${id} is certain to be ${status}`),
    isNoted: () => true,
    isKept: () => false,
    remember: () => false,
    concluded: ({ id }, decision) => {
      log.push(`${id} is ${decision.outcome}`);
      decide(decision);
    },
    amended: ({ id }) => void log.push(`${id} is amended`),
    // There is one worker, and one run that wants it.
    wantsWorker: () => void queueMicrotask(() => run.resume(worker)),
    ended: ({ id }) => {
      log.push(`${id} has ended`);
      end();
    },
    progressed: (_order, { step, fraction }) => void log.push(`${step} is at ${fraction}`),
    stepped: (_order, { name, status, compensation }) => {
      log.push(`${name} is ${status}${compensation === undefined ? '' : ' after compensation'}`);
    },
    retried: (_order, { step, attempt }) => void log.push(`${step} failed attempt ${attempt}`),
    compensationFailed: (_order, step) => void log.push(`${step} is not compensated`),
    predicateFailed: (_order, step) => void log.push(`retryIf of ${step} failed`),
    stalled: (_order, _ms, names) => void log.push(`stalled in ${names.join()}`),
  };
  const plan = readSteps(steps, defaults);
  const settings = new RunSettings({ plan, ...defaults }, new Clock(), observer);
  const worker: Worker = { completed: () => {}, free: () => {} };
  const run = new StepRun(new OrderAlone(), settings, worker);
  run.start(undefined);
  return { run, log, decided, ended };
}

interface Times {
  readonly timeoutMs?: number;
  readonly stalledAfterMs?: number;
}

const gives = (name: string, rest: Partial<Step> = {}): Step => ({
  name,
  run: () => Promise.resolve(`result of ${name}`),
  ...rest,
});

describe('steps need no processor', () => {
  it('invariant 3: a graph runs to one decision, each step after those that it names', async () => {
    const seen: unknown[] = [];
    const last = gives('last', {
      after: ['one', 'two'],
      run: (order, { results, idempotencyKey }) => {
        seen.push(order.payload, { ...results }, idempotencyKey);
      },
    });
    const { log, decided, ended } = runAlone([last, gives('one'), gives('two', { after: 'one' })]);
    await ended;
    expect(seen).toEqual(['p', { one: 'result of one', two: 'result of two' }, 'o-1:last']);
    expect(log).toEqual([
      'one is ok',
      'two is ok',
      'last is ok',
      'o-1 is completed',
      'o-1 has ended',
    ]);
    expect((await decided).steps.map(({ name }) => name)).toEqual(['last', 'one', 'two']);
  });

  it('invariant 3: a step that fails has the others aborted and what has finished compensated', async () => {
    const keys: string[] = [];
    const charges = gives('charges', {
      compensate: (_order, { compensationKey }) => void keys.push(compensationKey),
    });
    const waits: Step = {
      name: 'waits',
      after: 'charges',
      run: (_order, { signal }) =>
        new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    };
    const fails: Step = {
      name: 'fails',
      after: 'charges',
      retry: { attempts: 2, delayMs: 1 },
      run: () => Promise.reject(new OrderError('closed', 'Closed')),
    };
    const { log, decided, ended } = runAlone([charges, waits, fails]);
    await ended;
    expect(log).toEqual([
      'charges is ok',
      'fails failed attempt 1',
      'fails is error',
      'o-1 is decided against',
      'waits is canceled',
      'charges is compensated after compensation',
      'o-1 is failed',
      'o-1 has ended',
    ]);
    expect(keys).toEqual(['o-1:charges/compensate']);
    expect(await decided).toMatchObject({ outcome: 'failed', error: { code: 'closed' } });
  });

  it('invariant 1: a step that goes on after its order was canceled holds the run until it has ended', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const goesOn: Step = { name: 'goes on', run: () => promise };
    const { run, log, ended } = runAlone([goesOn], { stalledAfterMs: 5 });
    run.cancel({ message: 'Canceled' });
    while (!log.includes('o-1 is canceled')) await new Promise((turn) => setTimeout(turn, 1));
    expect(run.hasEnded).toBe(false);
    expect(log).toContain('stalled in goes on');
    resolve();
    await ended;
    expect(run.hasEnded).toBe(true);
  });

  it('invariant 4: an order whose time is up is certain to fail, even if its steps finish', async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const { log, decided } = runAlone([{ name: 'hangs', run: () => promise }], { timeoutMs: 5 });
    while (!log.includes('o-1 is certain to be failed')) {
      await new Promise((turn) => setTimeout(turn, 1));
    }
    resolve();
    expect(await decided).toMatchObject({ error: { code: 'timeout' } });
  });
});

describe('every move of a state is in its table, or throws', () => {
  const phases = Object.keys(runMoves) as RunPhase[];
  it.each(phases)('a run that is `%s`', (from) => {
    for (const to of phases) {
      const run = { phase: from };
      if (runMoves[from].includes(to)) moveRun(run, to);
      else expect(() => moveRun(run, to)).toThrow(`from \`${from}\` to \`${to}\``);
      expect(run.phase).toBe(runMoves[from].includes(to) ? to : from);
    }
  });

  const states = Object.keys(executionMoves) as ExecutionState[];
  it.each(states)('an execution that is `%s`', (from) => {
    for (const to of states) {
      const execution = { state: from };
      if (executionMoves[from].includes(to)) moveExecution(execution, to);
      else expect(() => moveExecution(execution, to)).toThrow(`from \`${from}\` to \`${to}\``);
      expect(execution.state).toBe(executionMoves[from].includes(to) ? to : from);
    }
  });
});
