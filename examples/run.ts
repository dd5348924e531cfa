/** Runs the example that is named on the command line: `npm run example -- NAME`. */
import { readdirSync } from 'node:fs';

const names = readdirSync(import.meta.dirname)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));
const name = process.argv[2] ?? 'balances';

if (names.includes(name)) await import(`./${name}.ts`);
else {
  console.error(`There is no example \`${name}\`. There are: ${names.join(', ')}`);
  process.exitCode = 1;
}
