import { parseArgs } from 'node:util';
import { migrationScript, schemaVersion } from './migrate.ts';
import { grantScript } from './privileges.ts';
import { checkPartitions, checkSchema } from './schema-options.ts';

const usage = `Prints the SQL of PostgresStorage, for those who run it by themselves.

order-processor-postgres sql [--schema NAME] [--partitions N] [--from VERSION]
    makes the tables, or brings them from an earlier version to ${schemaVersion}; for the owner of the schema
order-processor-postgres grants --role NAME [--schema NAME]
    lets a role run processors on it; for the owner of the schema, after each \`sql\`

--schema      order_processor by default
--partitions  a power of two from 1 to 64, for a new schema; 64 by default
--from        the version that the schema has; 0, which is none, by default
`;

/**
 * What the command prints.
 *
 * @throws Error with what is wrong, for arguments that it does not know
 */
export function commandOutput(args: readonly string[]): string {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      schema: { type: 'string', default: 'order_processor' },
      partitions: { type: 'string', default: '64' },
      from: { type: 'string', default: '0' },
      role: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const { schema, role } = values;
  const [command, ...more] = positionals;
  if (values.help || command === undefined) return usage;
  if (more.length > 0) throw new TypeError(`Expected one command, got ${positionals.join(' ')}`);
  checkSchema(schema);
  if (command === 'grants') {
    if (!role) throw new TypeError('Expected `--role` to name the role that processors have');
    return grantScript(schema, role);
  }
  if (command !== 'sql') throw new TypeError(`Expected \`sql\` or \`grants\`, got ${command}`);
  const partitions = Number(values.partitions);
  checkPartitions(partitions);
  return migrationScript(schema, partitions, versionIn(values.from));
}

function versionIn(from: string): number {
  const version = Number(from);
  if (/^\d+$/.test(from) && version < schemaVersion) return version;
  throw new RangeError(
    `Expected \`--from\` to be a version before ${schemaVersion}, which is the newest, got ${from}`,
  );
}
