import { isName, nameForm } from '../order/parse-order.ts';
import type { StepResult, StepValues } from '../order/step-result.ts';
import {
  checkInteger,
  checkMethods,
  checkOptions,
  checkTimeout,
  wrong,
} from '../runtime/checks.ts';
import type { CompensationContext, StepContext } from './contexts.ts';
import { type RetryPolicy, readRetry } from './limits/retry.ts';
import { Semaphore } from './limits/semaphore.ts';
import type { OnFailure, Step } from './step.ts';

/** The limits of a step or a compensation. */
export interface Limits {
  readonly timeoutMs: number | undefined;
  readonly retry: RetryPolicy | undefined;
  readonly semaphore: Semaphore | undefined;
}

/** A checked copy of a step, with its index among the others. */
export interface PlannedStep {
  /** Its index. */
  readonly at: number;
  readonly name: string;
  /** The name without colons and slashes, so that keys made of it are unambiguous. */
  readonly key: string;
  readonly run: (order: never, context: StepContext<never>) => unknown;
  readonly compensate:
    | ((order: never, context: CompensationContext<never, never>) => unknown)
    | undefined;
  /** Whether an order needs it; its answer is not checked yet. */
  readonly when: ((order: never) => unknown) | undefined;
  /** Whether what it returned is kept before anything that comes after it begins. */
  readonly remembers: boolean;
  readonly limits: Limits;
  readonly compensation: Limits;
  /** Whether an order that fails by it holds its user's lane. */
  readonly holds: boolean;
  /** How many steps this one comes directly after. */
  readonly needs: number;
  /** The steps that come directly after this one. */
  readonly next: readonly number[];
  /** The steps that this one comes after, directly or not. */
  readonly before: readonly number[];
  /** Its results after one attempt, by duration, shared by all orders. */
  readonly results: (StepResult | undefined)[];
  /** Its result when it never began, shared by all orders. */
  readonly skipped: StepResult;
}

/** All steps, in declaration order. */
export interface StepPlan {
  readonly steps: readonly PlannedStep[];
  /** The results of all steps, by duration, if each finished at the first attempt and all took equally long. */
  readonly results: (readonly StepResult[] | undefined)[];
  /** Has every step's name. A copy of it, filled, costs less than an object made of names and values. */
  readonly values: StepValues;
  /** Whether an order that fails because its time is up holds its user's lane. */
  readonly holds: boolean;
}

/** The processor's options that steps use. */
interface Defaults {
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  readonly retry: RetryPolicy | undefined;
  readonly onFailure: OnFailure;
}

/** The most steps: steps and compensations that return at once call each other. */
const mostSteps = 100;

/** The fields that a step may have. */
export const stepFields = [
  'name',
  'run',
  'compensate',
  'after',
  'when',
  'remember',
  'concurrency',
  'timeoutMs',
  'retry',
  'compensation',
  'onFailure',
] as const satisfies readonly (keyof Step)[];

/** Checks and copies the steps, so that later changes of the caller's array have no effect. */
export function readSteps(steps: unknown, defaults: Defaults): StepPlan {
  if (!Array.isArray(steps)) throw wrong(TypeError, 'steps', 'an array', steps);
  if (steps.length > mostSteps) {
    throw wrong(RangeError, 'steps.length', `at most ${mostSteps}`, steps.length);
  }
  // Not `map`, which passes over holes.
  const read = Array.from(steps, (step: Step, index) =>
    readStep(step, `steps[${index}]`, defaults),
  );
  const places = new Map<string, number>();
  for (const [at, { name }] of read.entries()) {
    if (places.has(name)) {
      throw wrong(RangeError, `steps[${at}].name`, 'unlike the other names', name);
    }
    places.set(name, at);
  }
  const after = read.map((step, at) => placesOf(step.after, `steps[${at}].after`, places));
  const all = read.map(({ name }) => name);
  const planned = read.map((step, at): PlannedStep => {
    const next = all.flatMap((_, other) => (after[other]?.includes(at) ? [other] : []));
    return {
      ...step,
      at,
      needs: (after[at] as number[]).length,
      next,
      before: [...placesBefore(at, after, all)],
      results: [],
      skipped: Object.freeze({ name: step.name, status: 'skipped', durationMs: 0, attempts: 0 }),
    };
  });
  const values = Object.fromEntries(all.map((name) => [name, undefined]));
  return { steps: planned, results: [], values, holds: defaults.onFailure === 'hold' };
}

function readStep(step: Step, at: string, defaults: Defaults) {
  checkMethods(at, step, ['run']);
  // An instance of the host's own class may have fields of its own.
  if (Object.getPrototypeOf(step) === Object.prototype) checkOptions(at, step, stepFields);
  const { name, after = [], remember = false, concurrency, timeoutMs, compensation = {} } = step;
  if (!isName(name)) throw wrong(TypeError, `${at}.name`, nameForm, name);
  if (typeof remember !== 'boolean')
    throw wrong(TypeError, `${at}.remember`, 'a boolean', remember);
  if (concurrency !== undefined) checkInteger(`${at}.concurrency`, concurrency, 1);
  if (timeoutMs !== undefined) checkTimeout(`${at}.timeoutMs`, timeoutMs);
  for (const method of ['compensate', 'when'] as const) {
    if (step[method] !== undefined) checkMethods(at, step, [method]);
  }
  const { onFailure = defaults.onFailure } = step;
  checkOnFailure(`${at}.onFailure`, onFailure);
  const retry = step.retry === undefined ? defaults.retry : readRetry(`${at}.retry`, step.retry);
  const semaphore = concurrency === undefined ? undefined : new Semaphore(concurrency);
  checkOptions(`${at}.compensation`, compensation, ['timeoutMs', 'retry']);
  const { timeoutMs: ownMs, retry: ownRetry } = compensation;
  if (ownMs !== undefined) checkTimeout(`${at}.compensation.timeoutMs`, ownMs);
  return {
    name,
    key: encodeURIComponent(name),
    after,
    run: step.run.bind(step) as PlannedStep['run'],
    compensate: step.compensate?.bind(step) as PlannedStep['compensate'],
    when: step.when?.bind(step) as PlannedStep['when'],
    remembers: remember,
    limits: { timeoutMs, retry, semaphore },
    holds: onFailure === 'hold',
    compensation: {
      // It holds its user, so it must have some limit.
      timeoutMs: ownMs ?? timeoutMs ?? defaults.timeoutMs ?? defaults.stalledAfterMs,
      retry: ownRetry === undefined ? retry : readRetry(`${at}.compensation.retry`, ownRetry),
      semaphore: undefined,
    },
  };
}

/** @throws RangeError */
export function checkOnFailure(name: string, value: unknown): void {
  if (value === 'continue' || value === 'hold') return;
  throw wrong(RangeError, name, "'continue' or 'hold'", value);
}

function placesOf(
  after: unknown,
  at: string,
  places: ReadonlyMap<string, number>,
): readonly number[] {
  const all = typeof after === 'string' ? [after] : after;
  if (!Array.isArray(all)) throw wrong(TypeError, at, 'a name or an array of names', after);
  const found = Array.from(all, (name: unknown) => {
    if (typeof name !== 'string') throw wrong(TypeError, at, 'names of other steps', name);
    const place = places.get(name);
    if (place === undefined) throw wrong(RangeError, at, 'names of other steps', name);
    return place;
  });
  return [...new Set(found)];
}

/** All steps that a step comes after; throws if the step is among them. */
function placesBefore(
  at: number,
  after: readonly (readonly number[])[],
  all: readonly string[],
): Set<number> {
  const before = new Set<number>();
  const visit = (place: number, path: readonly number[]): void => {
    for (const earlier of after[place] as readonly number[]) {
      if (earlier === at) {
        const cycle = [...path, at].map((each) => all[each]).reverse();
        throw new RangeError(`Expected \`steps\` to have no cycle, got \`${cycle.join(' → ')}\``);
      }
      if (before.has(earlier)) continue;
      before.add(earlier);
      visit(earlier, [...path, earlier]);
    }
  };
  visit(at, [at]);
  return before;
}
