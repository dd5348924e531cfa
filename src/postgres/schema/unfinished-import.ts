import { quoteName } from './names.ts';

/** Whether an import has begun and has not finished: the schema has a part of what it is to have. */
export function isImporting(table = 'imports'): string {
  return `EXISTS (SELECT FROM ${table} WHERE finished_at IS NULL)`;
}

/** No processor begins on a part of its orders. */
export function unfinishedImport(schema: string): Error {
  return new Error(
    `The schema ${quoteName(schema)} has an import that is not finished: call \`PostgresStorage.importFrom\` again with the same source, or drop the schema`,
  );
}
