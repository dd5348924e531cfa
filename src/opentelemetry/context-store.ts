import { AsyncLocalStorage } from 'node:async_hooks';
import { type Context, context } from '@opentelemetry/api';

/**
 * What is bound to a diagnostics channel so that a call runs in a context of OpenTelemetry. The channel calls `run` with
 * what its message is turned into; the storage of the context manager, which is not ours, does the rest.
 */
export class ContextStore extends AsyncLocalStorage<Context | undefined> {
  override run<R>(store: Context | undefined, callback: () => R): R;
  override run<R, Args extends unknown[]>(
    store: Context | undefined,
    callback: (...args: Args) => R,
    ...args: Args
  ): R;
  override run<R, Args extends unknown[]>(
    store: Context | undefined,
    callback: (...args: Args) => R,
    ...args: Args
  ): R {
    if (store === undefined) return callback(...args);
    return context.with(store, callback, undefined, ...args);
  }
}
