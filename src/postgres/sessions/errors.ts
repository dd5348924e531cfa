/** What a statement may require of the database; see the function `require` of the schema. */
export type Requirement = 'lost' | 'settled' | 'balance';

const requirements: readonly string[] = ['lost', 'settled', 'balance'] satisfies Requirement[];

/** Values that cannot be, constraints, limits, what triggers of the host raise. */
const ofOneOrder: readonly string[] = ['22', '23', '54', 'P0'];

/** Serialization failures and deadlocks: the same may go well a moment later. */
const passing: readonly string[] = ['40001', '40P01'];

/** PostgreSQL's code of an error, of five characters; empty if it is another one. */
export function sqlStateOf(error: unknown): string {
  const code = (error as { readonly code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** What was required in vain; `undefined` if the statement failed in another way. */
export function requirementOf(error: unknown): Requirement | undefined {
  if (sqlStateOf(error) !== 'OP001') return undefined;
  const { message } = error as Error;
  return requirements.includes(message) ? (message as Requirement) : undefined;
}

/** Whether a lock was not got in time: for an id, another transaction is about to take it. */
export function isLocked(error: unknown): boolean {
  return sqlStateOf(error) === '55P03';
}

/** Whether that lock was of one row: of a whole table, as a migration has it, the error names no row. */
export function isLockedRow(error: unknown): boolean {
  return isLocked(error) && (error as { readonly where?: unknown }).where !== undefined;
}

/** Whether a row of one order was refused, and would be again, while others can be written. */
export function isOfOneOrder(error: unknown): boolean {
  return ofOneOrder.includes(sqlStateOf(error).slice(0, 2));
}

export function isPassing(error: unknown): boolean {
  return passing.includes(sqlStateOf(error));
}
