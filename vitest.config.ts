import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import * as esbuild from 'esbuild';
import { defineConfig } from 'vitest/config';
import type { VitestPluginContext } from 'vitest/node';
import { bundledPage, pageModule, startsWorker, workerText } from './tsup.config.ts';

// Hundreds of processes and threads of the tests read the same sources, and each would strip their types anew.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(
  new URL('node_modules/.cache/order-processor-compiled', import.meta.url),
);

const all = globSync('test/**/*.test.ts');

const filesWith = (words: RegExp) => all.filter((file) => words.test(readFileSync(file, 'utf8')));

/** Vitest's fake timers: a timer that another file has left behind would be among theirs. */
const withFakeTimers = filesWith(/useFakeTimers/);

/** A clock of the library's own tests, which no timer outlives. */
const withVirtualClock = filesWith(/virtual-clock|scenarios/).filter(
  (file) => !withFakeTimers.includes(file),
);

const others = all.filter(
  (file) => !withFakeTimers.includes(file) && !withVirtualClock.includes(file),
);

/** What takes long, by its load or by its processes, is for `npm run full` alone, which CI runs as well. */
const long = [
  'test/core/processing/concurrent-outcomes.test.ts',
  'test/core/processing/parallel.test.ts',
  'test/core/processing/signals-in-memory.test.ts',
  'test/core/storage/conformance.test.ts',
  'test/core/storage/memory/settled-orders.test.ts',
  'test/crash/crash.test.ts',
  'test/grpc/connections.test.ts',
  'test/grpc/contract.test.ts',
  'test/grpc/load.test.ts',
  'test/grpc/submit-orders.test.ts',
  'test/http/abuse/bodies.test.ts',
  'test/http/abuse/load.test.ts',
  'test/http/abuse/sigterm.test.ts',
  'test/http/abuse/slow.test.ts',
  'test/http/amplification.test.ts',
  'test/http/delivery.test.ts',
  'test/http/sockets.test.ts',
  'test/http/fuzz/sockets.test.ts',
  'test/http/fuzz/fuzz.test.ts',
  'test/core/tracing/channels.test.ts',
  'test/dashboard/live.test.ts',
  'test/dashboard/load.test.ts',
  'test/opentelemetry/postgres.test.ts',
  'test/opentelemetry/restart.test.ts',
  'test/examples/deploy/dockerfile.test.ts',
  'test/examples/services/service/postgres.test.ts',
  'test/examples/services/service/restart.test.ts',
  'test/examples/services/service/service.test.ts',
  'test/examples/services/service/telemetry.test.ts',
  'test/postgres/clocks/clocks.test.ts',
  'test/postgres/conformance.test.ts',
  'test/postgres/every-process.test.ts',
  'test/postgres/hosts/host-transaction.test.ts',
  'test/postgres/hosts/on-settle.test.ts',
  'test/postgres/hosts/sql-enqueue.test.ts',
  'test/postgres/delayed-orders.test.ts',
  'test/postgres/import/import-failures.test.ts',
  'test/postgres/import/import-model.test.ts',
  'test/postgres/import/import.test.ts',
  'test/postgres/lanes.test.ts',
  'test/postgres/members/membership.test.ts',
  'test/postgres/members/model.test.ts',
  'test/postgres/members/orders.test.ts',
  'test/postgres/members/outcomes.test.ts',
  'test/postgres/members/stopped-process.test.ts',
  'test/postgres/open.test.ts',
  'test/postgres/operation/cluster.test.ts',
  'test/postgres/operation/failures.test.ts',
  'test/postgres/operation/full-disk.test.ts',
  'test/postgres/operation/report.test.ts',
  'test/postgres/operation/retention.test.ts',
  'test/postgres/operation/unreachable.test.ts',
  'test/postgres/schema/migrate.test.ts',
  'test/postgres/schema/privileges.test.ts',
  'test/postgres/statements/feed.test.ts',
  'test/postgres/statements/plans.test.ts',
  'test/postgres/statements/reads.test.ts',
  'test/postgres/writes/attacks.test.ts',
  'test/postgres/writes/crossing.test.ts',
  'test/postgres/writes/ended-sessions.test.ts',
  'test/postgres/writes/slow-commits.test.ts',
  'test/project/docs-pages.test.ts',
  'test/sqlite/file/file-lock.test.ts',
  'test/sqlite/file/files.test.ts',
  'test/sqlite/million.test.ts',
  'test/sqlite/retention/retain.test.ts',
  'test/dashboard/page-actions.test.ts',
  'test/dashboard/page-screens.test.ts',
  // That the suite finds broken storages, one after the other.
  'test/testing/broken-durability.test.ts',
  'test/testing/broken-lists.test.ts',
  'test/testing/broken-orders.test.ts',
];

const isOfMode = (mode: string) => (file: string) => mode === 'full' || !long.includes(file);

/** The threads of files run what the package has, and take turns in few threads: hundreds would take a minute to start. */
let text: Promise<string> | undefined;
const reusedThreads = {
  name: 'reused-threads',
  async load(id: string) {
    if (!startsWorker.test(id)) return undefined;
    text ??= workerText(esbuild, id);
    const path = fileURLToPath(new URL('test/kit/reused-thread.ts', import.meta.url));
    return `
      import { ReusedThread } from ${JSON.stringify(path)};
      const text = ${JSON.stringify(await text)};
      export const startWorker = (options) => new ReusedThread(text, options);`;
  },
  // The result depends on all sources of the thread: a cache that looks at this one file would keep an old thread.
  configureVitest({ defineCacheKeyGenerator }: VitestPluginContext) {
    defineCacheKeyGenerator(({ id }) => (startsWorker.test(id) ? false : undefined));
  },
};

/** The dashboard's page, bundled once for all test files that serve it. */
let page: Promise<string> | undefined;
const pageInside = {
  name: 'page-inside',
  load(id: string) {
    if (!bundledPage.test(id)) return undefined;
    page ??= pageModule(esbuild, id);
    return page;
  },
  configureVitest({ defineCacheKeyGenerator }: VitestPluginContext) {
    defineCacheKeyGenerator(({ id }) => (bundledPage.test(id) ? false : undefined));
  },
};

export default defineConfig(({ mode }) => ({
  plugins: [reusedThreads, pageInside],
  resolve: {
    // The longer names first: one that is the beginning of another would be taken for it.
    alias: {
      'order-processor/dashboard': fileURLToPath(
        new URL('src/dashboard/index.ts', import.meta.url),
      ),
      'order-processor/grpc': fileURLToPath(new URL('src/grpc/index.ts', import.meta.url)),
      'order-processor/http': fileURLToPath(new URL('src/http/index.ts', import.meta.url)),
      'order-processor/opentelemetry': fileURLToPath(
        new URL('src/opentelemetry/index.ts', import.meta.url),
      ),
      'order-processor/postgres': fileURLToPath(new URL('src/postgres/index.ts', import.meta.url)),
      'order-processor/prometheus': fileURLToPath(
        new URL('src/prometheus/index.ts', import.meta.url),
      ),
      'order-processor/sqlite': fileURLToPath(new URL('src/sqlite/index.ts', import.meta.url)),
      'order-processor/testing': fileURLToPath(new URL('src/testing/index.ts', import.meta.url)),
      'order-processor': fileURLToPath(new URL('src/index.ts', import.meta.url)),
    },
  },
  test: {
    // What the library leaves unhandled fails the run (invariant 8).
    dangerouslyIgnoreUnhandledErrors: false,
    testTimeout: 20_000,
    setupFiles: ['test/kit/setup.ts'],
    // By default one core is left idle. But many tests wait, for a socket or another process.
    maxWorkers: '150%',
    projects: [
      {
        extends: true,
        test: {
          name: 'plain',
          include: others.filter(isOfMode(mode)),
          // To start a worker for each file takes longer than many of them.
          isolate: false,
        },
      },
      {
        extends: true,
        test: {
          name: 'virtual clock',
          include: withVirtualClock.filter(isOfMode(mode)),
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: 'fake timers', include: withFakeTimers.filter(isOfMode(mode)) },
      },
    ],
  },
}));
