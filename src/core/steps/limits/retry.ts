import { asPromise, isThenable } from '../../runtime/awaitable.ts';
import {
  checkInteger,
  checkOptions,
  checkTimeout,
  maxTimeoutMs,
  wrong,
} from '../../runtime/checks.ts';
import type { RetryOptions } from '../step.ts';

/** Retry options with their defaults, checked. */
export interface RetryPolicy {
  readonly attempts: number;
  readonly delayMs: number;
  readonly factor: number;
  readonly maxDelayMs: number;
  readonly jitter: boolean;
  readonly retryIf: ((error: unknown, attempt: number) => unknown) | undefined;
}

const names = ['attempts', 'delayMs', 'factor', 'maxDelayMs', 'jitter', 'retryIf'];

/** @param at - where the options stand, for messages */
export function readRetry(at: string, options: RetryOptions): RetryPolicy {
  checkOptions(at, options, names);
  const { attempts = 3, factor = 2 } = options;
  if (options.maxDelayMs !== undefined) checkTimeout(`${at}.maxDelayMs`, options.maxDelayMs);
  const { delayMs = Math.min(100, options.maxDelayMs ?? 100) } = options;
  const { jitter = true, retryIf } = options;
  checkInteger(`${at}.attempts`, attempts, 1);
  checkTimeout(`${at}.delayMs`, delayMs);
  const { maxDelayMs = Math.max(30_000, delayMs) } = options;
  if (typeof factor !== 'number' || !(factor >= 1 && factor < Infinity)) {
    const kind = typeof factor === 'number' ? RangeError : TypeError;
    throw wrong(kind, `${at}.factor`, 'a number from 1 up', factor);
  }
  if (maxDelayMs < delayMs) {
    throw wrong(RangeError, `${at}.maxDelayMs`, `at least \`delayMs\`, ${delayMs}`, maxDelayMs);
  }
  if (typeof jitter !== 'boolean') throw wrong(TypeError, `${at}.jitter`, 'a boolean', jitter);
  if (retryIf !== undefined && typeof retryIf !== 'function') {
    throw wrong(TypeError, `${at}.retryIf`, 'a function', retryIf);
  }
  return { attempts, delayMs, factor, maxDelayMs, jitter, retryIf };
}

/**
 * The pause after an attempt that failed, in whole milliseconds.
 *
 * @param thrown - what it threw, which may say how long the pause is
 */
export function pauseMs(policy: RetryPolicy, attempt: number, thrown: unknown): number {
  const saidMs = retryAfterOf(thrown);
  if (saidMs !== undefined) return Math.min(Math.ceil(saidMs), maxTimeoutMs);
  const { delayMs, factor, maxDelayMs, jitter } = policy;
  const longest = Math.min(maxDelayMs, delayMs * factor ** (attempt - 1));
  return Math.max(1, Math.round(jitter ? longest * (0.5 + Math.random() / 2) : longest));
}

/**
 * Whether the step may be tried again after this error. A predicate that throws, or does not answer with a boolean,
 * means no.
 *
 * @param failed - called with what the predicate throws, or with an error about its answer
 */
export function isWorthRetrying(
  { retryIf }: RetryPolicy,
  thrown: unknown,
  attempt: number,
  failed: (cause: unknown) => void,
): boolean {
  if (retryableOf(thrown) === false) return false;
  if (retryIf === undefined) return true;
  try {
    const answer = retryIf(thrown, attempt);
    if (typeof answer === 'boolean') return answer;
    if (isThenable(answer)) asPromise(answer).catch(() => {});
    // Reported, because a promise or another truthy answer would be a silent no.
    failed(wrong(TypeError, 'the answer of retryIf', 'a boolean, at once', answer));
    return false;
  } catch (cause) {
    failed(cause);
    return false;
  }
}

/** After what pause something thrown says that another attempt is worth it, in milliseconds; never throws. */
function retryAfterOf(thrown: unknown): number | undefined {
  try {
    const { retryAfterMs } = Object(thrown) as { retryAfterMs?: unknown };
    return typeof retryAfterMs === 'number' && retryAfterMs >= 0 ? retryAfterMs : undefined;
  } catch {
    return undefined;
  }
}

/** The `retryable` of something thrown; never throws. */
export function retryableOf(thrown: unknown): boolean | undefined {
  try {
    const { retryable } = Object(thrown) as { retryable?: unknown };
    return typeof retryable === 'boolean' ? retryable : undefined;
  } catch {
    return undefined;
  }
}
