import type { Amount } from '../api.ts';

/** An amount as text, which no reader rounds. */
export function amount(minorUnits: number): Amount {
  return String(minorUnits);
}

export function optionalAmount(minorUnits: number | undefined): Amount | undefined {
  return minorUnits === undefined ? undefined : amount(minorUnits);
}

/** Without the fields that have no value, as JSON has it. */
export function defined<T extends object>(fields: T): { [F in keyof T]: Exclude<T[F], undefined> } {
  const entries = Object.entries(fields).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [F in keyof T]: Exclude<T[F], undefined> };
}
