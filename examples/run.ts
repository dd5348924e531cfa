/** Runs the example that is named on the command line: `npm run example -- NAME`. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

// A program is one file, a service a folder.
const files = new Map<string, string>();
for (const entry of readdirSync(import.meta.dirname)) {
  if (entry.endsWith('.ts') && entry !== 'run.ts') files.set(entry.slice(0, -'.ts'.length), entry);
  else if (existsSync(join(import.meta.dirname, entry, 'index.ts'))) {
    files.set(entry, `${entry}/index.ts`);
  }
}
const file = files.get(process.argv[2] ?? 'balances');

if (file !== undefined) await import(`./${file}`);
else {
  const names = [...files.keys()].sort().join(', ');
  console.error(`There is no example \`${process.argv[2]}\`. There are: ${names}`);
  process.exitCode = 1;
}
