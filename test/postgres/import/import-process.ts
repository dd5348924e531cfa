/** Imports a file in a process of its own, which ends itself by `SIGKILL` when so many pages are written. */
import { PostgresStorage } from '../../../src/postgres/postgres-storage.ts';
import { SqliteStorage } from '../../../src/sqlite/sqlite-storage.ts';

const [connectionString, schema, path, pages] = process.argv.slice(2) as [
  ...[string, string, string, string],
];
let left = Number(pages);

const source = await SqliteStorage.open(path, { waitMs: 10_000 });
const report = await PostgresStorage.importFrom(source, {
  ...{ connectionString, schema },
  onProgress: () => {
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  },
});
await source.close();
process.send?.(report);
