/** Runs the example that is named on the command line: `npm run example -- NAME`. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';

const files = new Map<string, string>();
for (const entry of readdirSync(import.meta.dirname)) {
  if (entry.endsWith('.ts') && entry !== 'run.ts') files.set(entry.slice(0, -'.ts'.length), entry);
}
for (const name of readdirSync(join(import.meta.dirname, 'services'))) {
  files.set(name, `services/${name}/index.ts`);
}
const file = files.get(process.argv[2] ?? 'balances');

if (file !== undefined) await import(`./${file}`);
else {
  const names = [...files.keys()].sort().join(', ');
  console.error(`There is no example \`${process.argv[2]}\`. There are: ${names}`);
  process.exitCode = 1;
}
