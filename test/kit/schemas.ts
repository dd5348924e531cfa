import type { Order, OrderOutcome, StandardSchema, StandardSchemaResult } from 'order-processor';
import { deferred } from './helpers.ts';

/** A schema with this check. */
export function schemaOf(validate: (value: unknown) => unknown): StandardSchema {
  return { '~standard': { version: 1, vendor: 'test', validate: validate as never } };
}

export const order = (id: string, payload?: unknown): Order => ({
  id,
  userId: 'u',
  amount: 1,
  payload,
});

/** What became of an order, in one word. */
export function wordOf(outcome: OrderOutcome): string {
  return outcome.status === 'completed' ? String(outcome.payload) : outcome.error.code;
}

/** A schema that answers on payloads called `slow…` when the test says so. */
export function slow() {
  const gates = new Map<string, ReturnType<typeof deferred<void>>>();
  const gateOf = (name: string) => {
    const gate = gates.get(name) ?? deferred();
    gates.set(name, gate);
    return gate;
  };
  const schema = schemaOf((value) => {
    const name = String(value);
    if (!name.startsWith('slow')) return { value };
    return gateOf(name).promise.then((): StandardSchemaResult<unknown> => ({ value }));
  });
  return { schema, open: (name: string) => gateOf(name).resolve() };
}
