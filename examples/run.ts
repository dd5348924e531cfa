/** Runs the example that is named on the command line: `npm run example -- NAME`. */
import { globSync, readdirSync } from 'node:fs';
import { basename, dirname } from 'node:path';

const files = new Map<string, string>();
for (const entry of readdirSync(import.meta.dirname)) {
  if (entry.endsWith('.ts') && entry !== 'run.ts') files.set(entry.slice(0, -'.ts'.length), entry);
}
for (const path of globSync('{,services/}*/index.ts', { cwd: import.meta.dirname })) {
  files.set(basename(dirname(path)), path);
}
const file = files.get(process.argv[2] ?? 'balances');

if (file !== undefined) await import(`./${file}`);
else {
  const names = [...files.keys()].sort().join(', ');
  console.error(`There is no example \`${process.argv[2]}\`. There are: ${names}`);
  process.exitCode = 1;
}
