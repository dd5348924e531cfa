import { AsyncLocalStorage } from 'node:async_hooks';
import type { TracedProcessor } from './operation.ts';

/** What messages of diagnostics channels say of a processor and of its storage. */
export function tracedProcessor(
  processor: object,
  {
    kind,
    shared,
  }: {
    readonly kind?: string | undefined;
    readonly shared?: { readonly name?: string | undefined } | undefined;
  },
): TracedProcessor {
  const outside: TracedProcessor['outside'] = AsyncLocalStorage.snapshot();
  return { processor, processorName: shared?.name, storage: kind, outside };
}
