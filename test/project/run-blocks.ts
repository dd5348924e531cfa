/** Runs programs one after the other, and prints what each of them printed. See docs.test.ts. */
import { mkdtempSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { format } from 'node:util';

interface Program {
  readonly place: string;
  readonly program: string;
  readonly printed: string | undefined;
}

const prints: Record<string, string> = {};
const folder = process.cwd();
const say = console.log;

for (const { place, program, printed } of JSON.parse(process.argv[2] ?? '') as Program[]) {
  process.chdir(mkdtempSync(`${folder}/block-`));
  let text = '';
  console.log = (...values: unknown[]) => {
    text += `${format(...values)}\n`;
  };
  const run = import(pathToFileURL(program).href).catch((error) => {
    text += `threw ${format(error)}\n`;
  });
  const limit = new AbortController();
  const late = sleep(10_000, undefined, { signal: limit.signal }).then(
    () => {
      text += 'did not end\n';
    },
    () => {},
  );
  await Promise.race([run, late]);
  limit.abort();
  // A program may go on when its module has been run.
  for (let left = 200; left > 0 && text !== printed; left -= 1) await sleep(10);
  prints[place] = text;
}
say(JSON.stringify(prints));
