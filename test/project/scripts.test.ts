/** What `npm test` shortens or leaves out is run by `npm run full`, which names files by parts of their paths. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import config from '../../vitest.config.ts';
import { seed } from '../kit/seed.ts';

const root = join(import.meta.dirname, '../..');
const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const named = scripts.full?.split(' ').slice('vitest run --mode full'.split(' ').length) ?? [];
const tests = globSync('test/**/*.test.ts', { cwd: root }).sort();

function filesOf(mode: string): Set<string> {
  const { test } = config({ mode, command: 'serve' });
  const projects = test?.projects as { test: { include: string[] } }[];
  return new Set(projects.flatMap(({ test: { include } }) => include));
}

it('`npm run full` runs every test that has less to do in `npm test`', () => {
  const all = filesOf('full');
  const short = filesOf('test');
  const shortened = tests.filter(
    (file) =>
      !short.has(file) ||
      /import .* from '.*kit\/full.ts'/.test(readFileSync(join(root, file), 'utf8')),
  );
  expect(shortened.length).toBeGreaterThan(20);
  const isRun = (file: string) => all.has(file) && named.some((name) => file.includes(name));
  expect(shortened.filter((file) => !isRun(file))).toEqual([]);
});

it('random tests begin with the same seed each time, and nightly each model with a random one', () => {
  expect(fc.readConfigureGlobal()?.seed).toBe(seed);
  const { jobs } = parse(readFileSync(join(root, '.github/workflows/nightly.yml'), 'utf8'));
  const { steps, strategy } = jobs.models;
  const { SEED, RUNS } = steps.at(-1).env;
  expect([SEED, RUNS]).toEqual(['random', expect.stringContaining('matrix.runs')]);
  const models = globSync('test/properties/*.property.test.ts', { cwd: root }).filter((file) =>
    /checkScenarios|runsOf/.test(readFileSync(join(root, file), 'utf8')),
  );
  const played: { model: string }[] = strategy.matrix.include;
  expect(played.map(({ model }) => `test/properties/${model}.property.test.ts`).sort()).toEqual(
    models.sort(),
  );
});

it('every part of a path that `npm run full` names is one of a test', () => {
  expect(named.filter((name) => !tests.some((file) => file.includes(name)))).toEqual([]);
});
