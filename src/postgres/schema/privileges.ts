import { quoteName } from './names.ts';

/** What processors do with each table. Rows are locked, too, where they may be updated. */
const rights = {
  meta: 'SELECT, UPDATE',
  orders: 'SELECT, INSERT, DELETE',
  pending: 'SELECT, INSERT, UPDATE, DELETE',
  outcomes: 'SELECT, INSERT, UPDATE, DELETE',
  credits: 'SELECT, INSERT, DELETE',
  balances: 'SELECT, INSERT, UPDATE, DELETE',
  openings: 'SELECT, INSERT, UPDATE',
  holds: 'SELECT, INSERT, UPDATE, DELETE',
  requests: 'SELECT, INSERT, UPDATE, DELETE',
  imports: 'SELECT',
  processors: 'SELECT, INSERT, UPDATE, DELETE',
  partitions: 'SELECT, UPDATE',
} as const;

/** What they do with each sequence. */
const sequenceRights = {
  order_sequence: 'USAGE',
  settlement_sequence: 'USAGE, SELECT',
  processor_sequence: 'USAGE',
} as const;

/** Lets a role run processors on a schema that another role owns. To be run again after each migration. */
export function grantScript(schema: string, role: string): string {
  const [of, to] = [quoteName(schema), quoteName(role)];
  const granted = (each: readonly [name: string, rights: string]): string =>
    `${each[1]} ON ${of}.${quoteName(each[0])}`;
  const all = [
    `USAGE ON SCHEMA ${of}`,
    ...Object.entries(rights).map(granted),
    ...Object.entries(sequenceRights).map(([name, right]) => `${right} ON SEQUENCE ${of}.${name}`),
    `EXECUTE ON ALL FUNCTIONS IN SCHEMA ${of}`,
  ];
  return `${all.map((each) => `GRANT ${each} TO ${to};`).join('\n')}\n`;
}
