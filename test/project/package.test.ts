/** What npm hands out: the entries, their types, the files, the size. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readAssets } from '../../src/dashboard/assets.ts';
import tsup from '../../tsup.config.ts';
import { bundleSize } from './bundle-size.ts';

const root = join(import.meta.dirname, '../..');
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
  exports: Record<string, string | { types: string; default: string }>;
  bin: Record<string, string>;
  dependencies: Record<string, string>;
};

describe('the package', () => {
  it('exports what tsup builds, each entry with its types', () => {
    const { entry } = tsup as { entry: Record<string, string> };
    const programs = Object.values(manifest.bin);
    const names = Object.keys(entry).filter((name) => !programs.includes(`./dist/${name}.js`));
    expect(Object.keys(entry).length - names.length).toBe(programs.length);
    const built = names.map((name) => {
      const subpath = name === 'index' ? '.' : `./${name.replace(/\/index$/, '')}`;
      return [subpath, { types: `./dist/${name}.d.ts`, default: `./dist/${name}.js` }];
    });
    expect(manifest.exports).toEqual({
      ...Object.fromEntries(built),
      './grpc/orders.proto': './dist/grpc/orders.proto',
      './package.json': './package.json',
    });
  });

  it('names types before anything else, since the first condition that fits is taken', () => {
    for (const target of Object.values(manifest.exports)) {
      if (typeof target === 'object') expect(Object.keys(target)[0]).toBe('types');
    }
  });

  it('holds only what a user needs', async () => {
    const { stdout } = await promisify(execFile)(
      'npm',
      ['pack', '--dry-run', '--json', '--ignore-scripts'],
      { cwd: root },
    );
    // Newer versions of npm answer an object by package name, older ones an array.
    const [pack] = Object.values(JSON.parse(stdout)) as { files: { path: string }[] }[];
    const paths = pack?.files.map(({ path }) => path) ?? [];
    const others = paths.filter((path) => !/^(dist|src\/guides)\//.test(path));
    expect(others.sort()).toEqual(['CHANGELOG.md', 'LICENSE', 'README.md', 'package.json']);
    expect(paths).toContain('src/guides/getting-started.md');
    for (const path of paths) expect(path).not.toMatch(/\.(map|test\.js)$/);
    // What is built is in it; `npm run verify` has built it.
    if (paths.includes('dist/index.js')) expect(paths).toContain('dist/grpc/orders.proto');
  });

  // The aim is 15 kB, of which p-queue and eventemitter3 take 5; this only keeps it from growing unseen.
  it('has a core of at most 81 kB with its dependencies, minified and gzipped', async () => {
    const size = await bundleSize();
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(81_000);
  });

  it('has a dashboard of at most 21 kB beside its page', async () => {
    const size = await bundleSize('dashboard/index.ts');
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(21_000);
  });

  it('has an adapter of OpenTelemetry of at most 8 kB beside its API', async () => {
    const size = await bundleSize('opentelemetry/index.ts', ['@opentelemetry/api']);
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(8_000);
  });

  it('has a storage for many processors of at most 53 kB beside `pg`', async () => {
    const size = await bundleSize('postgres/index.ts', ['pg']);
    expect(size).toBeGreaterThan(1_000);
    expect(size).toBeLessThanOrEqual(53_000);
  });

  it('has a page of the dashboard of at most 120 kB, all of its files gzipped', () => {
    const files = [...readAssets().values()];
    const bytes = files.reduce((sum, { gzipped }) => sum + gzipped.length, 0);
    expect(bytes).toBeGreaterThan(20_000);
    expect(bytes).toBeLessThanOrEqual(120_000);
  });
});
