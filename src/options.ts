import { show } from './errors.ts';
import type { Step } from './pipeline.ts';
import type { BalanceStorage } from './storage/balance-storage.ts';

/**
 * The options of an {@link OrderProcessor}.
 *
 * @typeParam Payload - the payload's type
 */
export interface OrderProcessorOptions<Payload = unknown> {
  /** Where balances are kept. A new {@link MemoryStorage} by default. */
  readonly storage?: BalanceStorage | undefined;
  /** How many orders may be processed at once, each of another user. An integer from 1 up, 16 by default. */
  readonly concurrency?: number | undefined;
  /** How many orders may be accepted and unsettled. An integer from 1 up, 10 000 by default. */
  readonly capacity?: number | undefined;
  /** The same for each user alone. An integer from 1 up, no bound of its own by default. */
  readonly capacityPerUser?: number | undefined;
  /**
   * What happens to an order for which there is no room: `'reject'` (the default) refuses it at once
   * with `queue_full`; `'wait'` makes its caller wait, first come, first served.
   */
  readonly overflow?: 'reject' | 'wait' | undefined;
  /**
   * The least balance that a debit may leave, a safe integer in minor units; a debit that would leave
   * less fails with `insufficient_funds`. No bound by default.
   */
  readonly minBalance?: number | undefined;
  /**
   * How long the steps of an order may take, in milliseconds from the beginning of its processing: an
   * integer from 1 to 2 147 483 647. No limit by default.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * After how long an order that holds its user raises `stalled`, and a storage that does not answer
   * raises `error`, in milliseconds; for an order counted from when
   * it was told to end or, without `timeoutMs`, from its beginning: an integer from 1 to
   * 2 147 483 647, 30 000 by default.
   */
  readonly stalledAfterMs?: number | undefined;
  /** What is done for each order before its balance changes; without steps only the balance changes. */
  readonly steps?: readonly Step<Payload>[] | undefined;
}

/** The options with their defaults, checked. */
export interface Settings {
  readonly storage: BalanceStorage | undefined;
  readonly concurrency: number;
  readonly capacity: number;
  readonly capacityPerUser: number;
  readonly overflow: 'reject' | 'wait';
  readonly minBalance: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly stalledAfterMs: number;
  readonly steps: readonly Step[];
}

/** The longest time that a timer can wait. */
const maxTimeoutMs = 2_147_483_647;

const optionNames = [
  'storage',
  'concurrency',
  'capacity',
  'capacityPerUser',
  'overflow',
  'minBalance',
  'timeoutMs',
  'stalledAfterMs',
  'steps',
];

export function readOptions(options: OrderProcessorOptions<never>): Settings {
  checkOptions('OrderProcessor', options, optionNames);
  const { storage, minBalance, timeoutMs, steps = [] } = options;
  const { concurrency = 16, capacity = 10_000, overflow = 'reject' } = options;
  const { capacityPerUser = Number.MAX_SAFE_INTEGER, stalledAfterMs = 30_000 } = options;
  if (storage !== undefined) checkMethods('storage', storage, ['get', 'apply']);
  checkInteger('concurrency', concurrency, 1);
  checkInteger('capacity', capacity, 1);
  checkInteger('capacityPerUser', capacityPerUser, 1);
  if (overflow !== 'reject' && overflow !== 'wait') {
    throw wrong(RangeError, 'overflow', "'reject' or 'wait'", overflow);
  }
  if (minBalance !== undefined) checkInteger('minBalance', minBalance, Number.MIN_SAFE_INTEGER);
  if (timeoutMs !== undefined) checkTimeout('timeoutMs', timeoutMs);
  checkTimeout('stalledAfterMs', stalledAfterMs);
  return {
    storage,
    concurrency,
    capacity,
    capacityPerUser,
    overflow,
    minBalance,
    timeoutMs,
    stalledAfterMs,
    steps: readSteps(steps),
  };
}

/** Copies the steps, so that a change of the caller's array changes nothing here. */
function readSteps(steps: unknown): readonly Step[] {
  if (!Array.isArray(steps)) throw wrong(TypeError, 'steps', 'an array', steps);
  const names = new Set<string>();
  // Not `map`, which passes over holes.
  return Array.from(steps, (step: Step, index) => {
    const at = `steps[${index}]`;
    checkMethods(at, step, ['run']);
    // An instance of the host's own class may have fields of its own.
    if (Object.getPrototypeOf(step) === Object.prototype) checkOptions(at, step, ['name', 'run']);
    const { name } = step;
    if (typeof name !== 'string' || name === '') {
      throw wrong(TypeError, `${at}.name`, 'a string that is not empty', name);
    }
    if (names.has(name)) throw wrong(RangeError, `${at}.name`, 'unlike the other names', name);
    names.add(name);
    return { name, run: step.run.bind(step) };
  });
}

/** A misspelt option that is silently ignored costs hours, so an unknown one is an error. */
export function checkOptions(of: string, options: unknown, known: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw wrong(TypeError, `${of} options`, 'an object', options);
  }
  for (const name of Object.keys(options)) {
    if (!known.includes(name)) {
      throw new TypeError(
        `Expected the options of ${of} to be among ${known.join(', ')}, got \`${name}\``,
      );
    }
  }
}

export function checkInteger(name: string, value: unknown, least: number): void {
  if (Number.isSafeInteger(value) && (value as number) >= least) return;
  const form = least === Number.MIN_SAFE_INTEGER ? 'a safe integer' : `an integer from ${least} up`;
  throw wrong(typeof value === 'number' ? RangeError : TypeError, name, form, value);
}

export function checkTimeout(name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && (value as number) >= 1 && (value as number) <= maxTimeoutMs) {
    return;
  }
  const form = `an integer from 1 to ${maxTimeoutMs}`;
  throw wrong(typeof value === 'number' ? RangeError : TypeError, name, form, value);
}

function checkMethods(name: string, value: unknown, methods: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw wrong(TypeError, name, 'an object', value);
  for (const method of methods) {
    const found = (value as Record<string, unknown>)[method];
    if (typeof found !== 'function') {
      throw wrong(TypeError, `${name}.${method}`, 'a function', found);
    }
  }
}

function wrong(
  kind: new (message: string) => Error,
  name: string,
  form: string,
  value: unknown,
): Error {
  return new kind(`Expected \`${name}\` to be ${form}, got \`${show(value)}\``);
}
