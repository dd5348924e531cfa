/** Runs every example as a user would and checks how it ends, and what the main job prints. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const examples = join(import.meta.dirname, '../examples');
const names = readdirSync(examples)
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -'.ts'.length));
const index = readFileSync(join(examples, 'README.md'), 'utf8');

async function run(name: string): Promise<string> {
  const { stdout } = await promisify(execFile)(process.execPath, [join(examples, 'run.ts'), name], {
    timeout: 60_000,
  });
  return stdout;
}

function checkBalances(output: string): void {
  const [, orders, seconds] = /^Processed (\d+) orders in ([\d.]+) s$/m.exec(output) ?? [];
  assert.equal(orders, '128');
  // 30 orders in a row take 6 s. More on a busy machine, and never less.
  assert.ok(Number(seconds) >= 6 && Number(seconds) < 9, `The main job took ${seconds} s`);
  assert.match(output, /^Balance of user 1: 3100$/m);
  assert.match(output, /^ {2}completed: 128,$/m);
  assert.match(output, /^One more order: shut_down /m);
}

for (const name of names) {
  assert.ok(index.includes(`](${name}.ts)`), `examples/README.md does not list ${name}`);
  const output = await run(name);
  if (name === 'balances') checkBalances(output);
  console.log(`${name} ok`);
}
await assert.rejects(run('no-such-example'), /There are: balances/);
