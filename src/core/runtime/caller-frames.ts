/** At most so many callers of one order stand in the stack of its error. */
const mostCallers = 8;

/** The stacks of callers that an error has taken, as the engine keeps them: they become text when they are read. */
const callersOf = new WeakMap<Error, { readonly stack?: unknown }[]>();

/**
 * A promise that rejects with the error, and adds the frames of the awaiting callers to its stack: an order mostly
 * fails far from its caller, and the stack does not lead there. Costs nothing if nothing fails.
 */
export async function rejectedWith(error: Error): Promise<never> {
  // Until the promise that the caller awaits has been resolved with this one, which V8 then follows to the caller.
  await undefined;
  await undefined;
  noteCaller(error);
  throw error;
}

/** Records the async functions that await the one that calls this. */
function noteCaller(error: Error): void {
  const callers = callersOf.get(error);
  if (callers !== undefined && callers.length >= mostCallers) return;
  const caller = {};
  Error.captureStackTrace(caller);
  if (callers !== undefined) {
    callers.push(caller);
    return;
  }
  const all = [caller];
  const own = Object.getOwnPropertyDescriptor(error, 'stack');
  const hasTaken = Reflect.defineProperty(error, 'stack', {
    configurable: true,
    get: () => withFramesOf(all, own?.get === undefined ? own?.value : own.get.call(error)),
    set: (value) => void Reflect.defineProperty(error, 'stack', { value, writable: true }),
  });
  // Not if it is frozen.
  if (hasTaken) callersOf.set(error, all);
}

function withFramesOf(callers: readonly { readonly stack?: unknown }[], stack: unknown): unknown {
  let text = stack;
  for (const { stack: whole } of callers) {
    // A host may have made anything of stacks.
    if (typeof text !== 'string' || typeof whole !== 'string') return text;
    // Not recognized by `async`, which source maps drop. After the two functions of this file come the awaits, except
    // the frames that run them.
    const frames = whole.split('\n').filter((line) => line.startsWith('    at '));
    const awaits = frames.slice(2).filter((line) => !line.includes('(node:internal/'));
    const [first] = awaits;
    // The same caller may await several times.
    if (first !== undefined && !text.includes(first)) text = `${text}\n${awaits.join('\n')}`;
  }
  return text;
}
