import { UnreadableOrder } from './unreadable-orders.ts';

/**
 * The value of a JSON text that is kept of an order; `undefined` for none.
 *
 * @throws UnreadableOrder unless it is JSON, and what it must be
 */
export function parseKept(
  id: string,
  name: string,
  json: string | null | undefined,
  isRight: (value: unknown) => boolean,
): unknown {
  if (json === null || json === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw new UnreadableOrder(id, `its ${name} is no JSON`);
  }
  if (isRight(value)) return value;
  throw new UnreadableOrder(id, `its ${name} is not what it must be`);
}

export function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function areObjects(value: unknown): boolean {
  return Array.isArray(value) && value.every(isObject);
}

export function arePostings(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (each) =>
        typeof each?.userId === 'string' &&
        Number.isSafeInteger(each.amount) &&
        Number.isSafeInteger(each.orderedAmount ?? 0),
    )
  );
}

export function areTexts(value: unknown): boolean {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}
