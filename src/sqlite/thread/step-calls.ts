import type { StepResult } from '../../core/order/step-result.ts';
import type { RememberedOrder, RememberResult } from '../../core/storage/order-storage.ts';
import { readFailed, results, stepsJson } from './codec.ts';
import type { Reader, Writer } from './wire.ts';

function writeRemembered(writer: Writer, orders: readonly RememberedOrder[]): void {
  writer.number(orders.length);
  for (const { id, sequence, steps } of orders) {
    writer.text(id);
    writer.number(sequence);
    writer.text(JSON.stringify(steps));
  }
}

function readRememberResults(reader: Reader, count: number): RememberResult[] {
  return Array.from({ length: count }, () =>
    reader.number() === results.done ? { status: 'remembered' } : readFailed(reader),
  );
}

/** How a call of `remember` is written, and its answer read. */
export function remembering(orders: readonly RememberedOrder[]) {
  return [
    (writer: Writer) => writeRemembered(writer, orders),
    (reader: Reader) => readRememberResults(reader, orders.length),
  ] as const;
}

/** The same for `amend`. */
export function amending(id: string, steps: readonly StepResult[]) {
  return [
    (writer: Writer) => {
      writer.text(id);
      writer.text(stepsJson(steps));
    },
    () => undefined,
  ] as const;
}
