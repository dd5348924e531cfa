import { expect, it } from 'vitest';
import { commandOutput } from '../../../src/postgres/schema/command-output.ts';
import { schemaVersion } from '../../../src/postgres/schema/migrate.ts';
import { tables } from '../../../src/postgres/schema/tables.ts';

it('explains itself', () => {
  for (const args of [[], ['--help'], ['sql', '--help']]) {
    expect(commandOutput(args)).toContain('order-processor-postgres sql');
  }
});

it('a wrong argument is an error that says so', () => {
  const wrong: readonly (readonly [readonly string[], string])[] = [
    [['tables'], 'Expected `sql` or `grants`, got tables'],
    [['sql', 'grants'], 'Expected one command, got sql grants'],
    [['sql', '--schema', 'pg_orders'], '`schema`'],
    [['sql', '--partitions', '3'], 'a power of two'],
    [['sql', '--from', `${schemaVersion}`], `a version before ${schemaVersion}`],
    [['sql', '--from', 'x'], 'got x'],
    [['sql', '--shema', 'x'], "Unknown option '--shema'"],
    [['grants'], 'Expected `--role`'],
  ];
  for (const [args, message] of wrong) expect(() => commandOutput(args)).toThrow(message);
});

it('every table and every sequence has its rights', () => {
  const grants = commandOutput(['grants', '--schema', 'a"b', '--role', 'it\'s "me"']);
  const made = [...tables.matchAll(/^CREATE (TABLE|SEQUENCE) (\w+)/gm)];
  expect(made.length).toBeGreaterThan(10);
  for (const [, , name] of made) expect(grants).toMatch(new RegExp(` ON .*\\b${name}\\b.* TO `));
  expect(grants.match(/ TO "it's ""me""";$/gm)?.length).toBe(made.length + 2);
});
