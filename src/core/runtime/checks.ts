import { isThenable } from './awaitable.ts';
import { show } from './thrown.ts';

/** The longest time that a timer can wait. */
export const maxTimeoutMs = 2_147_483_647;

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

export function checkMethods(name: string, value: unknown, methods: readonly string[]): void {
  if (typeof value !== 'object' || value === null) throw wrong(TypeError, name, 'an object', value);
  if (isThenable(value)) throw wrong(TypeError, name, 'an object (await the promise)', value);
  for (const method of methods) {
    const found = (value as Record<string, unknown>)[method];
    if (typeof found !== 'function') {
      throw wrong(TypeError, `${name}.${method}`, 'a function', found);
    }
  }
}

export function checkFunction(name: string, value: unknown): void {
  if (typeof value !== 'function') throw wrong(TypeError, name, 'a function', value);
}

export function wrong(
  kind: new (message: string) => Error,
  name: string,
  form: string,
  value: unknown,
): Error {
  return new kind(`Expected \`${name}\` to be ${form}, got \`${show(value)}\``);
}
